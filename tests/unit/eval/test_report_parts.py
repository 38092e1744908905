"""The parts of a report that need no files: rows of the paper, tables, choice of answers, pictures."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from webssl_eval.benchmarks.averages import averages
from webssl_eval.benchmarks.benchmark import Category
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.report.account import Account, Benchmarked, Example, Number, Subject, SuiteResult
from webssl_eval.report.bars import category_bars
from webssl_eval.report.chosen import question_text, reference_text, shortened, spread
from webssl_eval.report.page import page
from webssl_eval.report.paper import chosen_rows, paper_rows
from webssl_eval.report.series import series_of
from webssl_eval.report.tables import comparison, side_by_side
from webssl_eval.report.thumbnails import drawing, thumbnail

from tests.unit.eval.strict_html import Strict

MADE = "2026-01-02 03:04 UTC"
SUBJECT = Subject(
    "mine", "s3://runs/mine/c", "f" * 64, 4, 2_000_000_000, "2B", "dino", 224, ("s3://web/*.tar",)
)


def own(values, incomplete=()):
    found = averages(values, BENCHMARKS, incomplete)
    means = {category.value: Number(mean.value, mean.label) for category, mean in found.categories.items()}
    means["Average"] = Number(found.total.value, found.total.label)
    return Benchmarked(("vqa",), {name: Number(value) for name, value in values.items()}, means)


def suite(scores, name="vqa", data="d", version=1):
    return SuiteResult(
        name, "vqa", "", version, 9, scores, "file:///test.jsonl", data, 1.0, "2026-01-02T03:04:05Z"
    )


def test_suites_that_several_runs_have_stand_side_by_side():
    first, second = suite({"accuracy": 50.0, "prior": 40.0}), suite({"accuracy": 30.0})
    table = side_by_side(
        [Account(SUBJECT, suites=(first, suite({"top1": 1.0}, "knn"))), Account(SUBJECT, suites=(second,))]
    )
    assert [(row.head, [cell.value for cell in row.cells]) for row in table.rows] == [
        ("vqa: accuracy", [50.0, 30.0]),
        ("vqa: prior", [40.0, None]),
    ]
    assert table.own == len(table.columns) == 2


@pytest.mark.parametrize("other", [{"data": "other"}, {"version": 2}, {"name": "else"}])
def test_scores_on_other_data_or_by_another_version_are_not_put_side_by_side(other):
    accounts = [Account(SUBJECT, suites=(suite({"accuracy": 50.0}, **changes),)) for changes in ({}, other)]
    assert not side_by_side(accounts).rows


def test_one_run_alone_has_nothing_beside_it():
    assert not side_by_side(
        [Account(SUBJECT, suites=(suite({"accuracy": 50.0}), suite({"accuracy": 50.0}, "two")))]
    ).rows


@given(text=st.text(min_size=1, max_size=40))
def test_any_text_leaves_a_page_well_formed(text):
    example = Example(text, text, text, text, 1.0, None, text)
    found = Account(replace(SUBJECT, name=text), examples=(example,), cost={text: text}, notes=(text,))
    assert Strict(page([found], MADE)).tags.count("article") == 1


def test_whole_means_and_the_papers_have_no_label():
    row = next(row for row in paper_rows() if row.size == "2B")
    found = Account(SUBJECT, (own(row.scores),))
    table = comparison([found])
    total = next(line for line in table.rows if line.kind == "total")
    assert not any(cell.label for cell in total.cells)
    assert "partial" not in category_bars(series_of([found])).replace('id="partial"', "")


def test_rows_of_the_paper_have_the_runs_size_and_data():
    plain = chosen_rows(SUBJECT)
    assert [(row.objective, row.size, row.data, row.filter) for row in plain.rows] == [
        (objective, "2B", "MC-2B", "none") for objective in ("dino", "mae", "clip")
    ]
    filtered = chosen_rows(replace(SUBJECT, filtered=True)).rows
    assert {row.filter for row in filtered} == {"none", "light", "heavy"}
    imagenet = chosen_rows(replace(SUBJECT, sources=("s3://imagenet/train/*.tar",))).rows
    assert {row.data for row in imagenet} == {"ImageNet-1k"}


@pytest.mark.parametrize(
    ("samples", "resolution", "wanted"),
    [
        (8 * 10**9, 518, (8, 518)),
        (8 * 10**9, 224, (8, 224)),
        (4 * 10**9, 224, (4, 224)),
        (10**6, 224, (1, 224)),
    ],
)
def test_of_several_rows_the_nearest_in_samples_and_resolution_counts(samples, resolution, wanted):
    subject = replace(SUBJECT, size="7B", samples=samples, resolution=resolution)
    found = next(row for row in chosen_rows(subject).rows if row.objective == "dino")
    assert (found.samples // 10**9, found.resolution) == wanted


def test_a_size_that_the_paper_lacks_is_said_to_stand_beside_another():
    notes = chosen_rows(replace(SUBJECT, size="tiny", samples=1000)).notes
    assert notes[0] == "the paper has no scores of size tiny; beside it stand its 1B models"
    assert notes[1] == "the paper's models saw 2 billion samples, mine 1,000"


def test_the_rows_averages_follow_from_their_parts():
    assert len(paper_rows()) == 27
    for row in paper_rows():
        assert averages(row.scores, BENCHMARKS).total.value == pytest.approx(row.average, abs=0.01)
        assert list(row.scores) == [benchmark.name for benchmark in BENCHMARKS]


def test_several_runs_stand_in_one_table_with_each_row_of_the_paper_once():
    names = ["a", "b"]
    rows = [row for row in paper_rows() if row.size == "2B"][:2]
    accounts = [
        Account(replace(SUBJECT, name=name), (own(row.scores),))
        for name, row in zip(names, rows, strict=True)
    ]
    table = comparison(accounts)
    assert table.columns[:2] == ("a", "b")
    assert len(set(table.columns)) == len(table.columns) == 5
    assert [row.head for row in table.rows if row.kind == "mean"] == [category.value for category in Category]


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.sampled_from([0.0, 0.4, 0.5, 1.0])), st.integers(0, 4)
)
def test_shown_answers_depend_on_their_ids_alone(credits, each):
    shown = spread(credits, each)
    assert shown == spread(dict(reversed(credits.items())), each)
    right = [key for key in shown if credits[key] >= 0.5]
    assert len(right) == min(each, sum(credit >= 0.5 for credit in credits.values()))
    assert len(shown) - len(right) == min(each, sum(credit < 0.5 for credit in credits.values()))
    assert list(shown[: len(right)]) == right


def test_letters_stand_with_their_options():
    assert reference_text(("B",), ("red", "blue")) == "B. blue"
    assert reference_text(("yes", "yes", "Yes"), ()) == "yes / Yes"
    assert question_text("Which?", ("red", "blue")) == "Which?\nA. red\nB. blue"
    assert question_text("Which? (A) red (B) blue", ("red", "blue")) == "Which? (A) red (B) blue"
    assert shortened("a" * 500).endswith("… (500 characters)")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "CMYK", "1", "RGB"])
def test_pictures_of_any_mode_become_small_jpegs(mode):
    buffer = io.BytesIO()
    Image.new(mode, (600, 300)).save(buffer, "TIFF")
    with Image.open(io.BytesIO(thumbnail(buffer.getvalue()))) as image:
        assert (image.format, image.size) == ("JPEG", (224, 112))


def test_a_large_drawing_is_made_narrower():
    buffer = io.BytesIO()
    Image.effect_noise((1600, 800), 90).convert("RGB").save(buffer, "PNG")
    media, data = drawing(buffer.getvalue())
    assert media == "image/jpeg"
    assert len(data) < len(buffer.getvalue())
