"""Reports: what they say, what they refuse to say, and that they need nothing from outside."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from webssl_api.evaluation import SuiteSpec
from webssl_eval.benchmarks.averages import averages
from webssl_eval.benchmarks.benchmark import Category
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.report.account import Account, Benchmarked, Example, Number, Subject
from webssl_eval.report.bars import category_bars
from webssl_eval.report.chosen import question_text, reference_text, shortened, spread
from webssl_eval.report.gather import account, with_cost
from webssl_eval.report.page import page
from webssl_eval.report.paper import chosen_rows, paper_rows
from webssl_eval.report.plain import comma_separated, markdown
from webssl_eval.report.series import series_of
from webssl_eval.report.tables import comparison, probes
from webssl_eval.report.thumbnails import drawing, thumbnail
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.errors import UserError

from tests.unit.eval.checkpoints import commit, drawn, spec_of
from tests.unit.eval.evaluated_run import ALL, STORAGE, EvaluatedRun

MADE = "2026-01-02 03:04 UTC"
SUBJECT = Subject(
    "mine", "s3://runs/mine/c", "f" * 64, 4, 2_000_000_000, "2B", "dino", 224, ("s3://web/*.tar",)
)
NAMES = ("mme-p", "gqa", "chartqa", "mmvp")
REFERENCES = {
    "src",
    "href",
    "srcset",
    "action",
    "data",
    "poster",
    "background",
    "xlink:href",
    "ping",
    "manifest",
}


class Strict(HTMLParser):
    """Collects tags, addresses and text; every tag that opens must close in order."""

    VOID = frozenset({"meta", "img", "br", "line", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in REFERENCES]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.text += data


def made(root, names=NAMES, **changes):
    run = EvaluatedRun(root)
    run.benchmarks(names, **changes)
    return run


def own(values, incomplete=()):
    found = averages(values, BENCHMARKS, incomplete)
    means = {category.value: Number(mean.value, mean.label) for category, mean in found.categories.items()}
    means["Average"] = Number(found.total.value, found.total.label)
    return Benchmarked(("vqa",), {name: Number(value) for name, value in values.items()}, means)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An account of a run with everything, and its page."""
    run = EvaluatedRun(tmp_path_factory.mktemp("whole"))
    run.benchmarks(ALL)
    run.classes()
    run.alignment()
    run.drawings()
    found = account(STORAGE, run.uri, "mine <i>", 2)
    return found, page([found], MADE)


def test_a_page_has_every_part_and_no_address_but_its_own_pictures(whole):
    found, text = whole
    parsed = Strict(text)
    assert parsed.addresses
    assert all(urlsplit(address).scheme == "data" for address in parsed.addresses)
    assert not {"script", "link", "iframe", "object", "embed", "base", "a"} & set(parsed.tags)
    assert "url(" not in re.sub(r"url\(#\w+\)", "", text)
    assert "@import" not in text
    for head in (
        "Scores against the paper",
        "Means per category",
        "All suites",
        "Cost",
        "Answers of",
        "The encoder",
    ):
        assert head in parsed.text
    assert "Alignment with language" in parsed.text
    assert parsed.tags.count("svg") == 1
    pictures = [example for example in found.examples if example.picture is not None]
    assert len(pictures) == len(found.examples)
    assert parsed.tags.count("img") == len(pictures) + 2  # the encoder's picture and the heat map


def test_what_models_and_files_say_is_shown_and_never_run(whole):
    _, text = whole
    assert "<b>no idea</b>" not in text
    assert "&lt;b&gt;no idea&lt;/b&gt;" in text
    assert "mine &lt;i&gt;" in text


@given(text=st.text(min_size=1, max_size=40))
def test_any_text_leaves_a_page_well_formed(text):
    example = Example(text, text, text, text, 1.0, None, text)
    found = Account(replace(SUBJECT, name=text), examples=(example,), cost={text: text}, notes=(text,))
    assert Strict(page([found], MADE)).tags.count("article") == 1


def test_examples_are_right_and_wrong_ones_with_questions_and_pictures(whole):
    found, _ = whole
    for benchmark in BENCHMARKS:
        shown = [example for example in found.examples if example.source == benchmark.title]
        assert {example.right for example in shown} >= {False}, benchmark.name
        assert len(shown) <= 4
        for example in shown:
            assert len(example.question) > 3
            with Image.open(io.BytesIO(example.picture)) as image:
                assert image.format == "JPEG"
                assert max(image.size) <= 224
    assert {example.source for example in found.examples if example.grouped} >= {"MMBench", "MMVP"}
    classes = [example for example in found.examples if example.source == "knn"]
    assert [example.right for example in classes] == [True, True, False, False]


def test_pictures_of_questions_come_from_the_question_file(questions, tmp_path):
    run = EvaluatedRun(tmp_path)
    run.questions(questions("test", 4), [True, False, False, True])
    shown = account(STORAGE, run.uri, "mine", 1).examples
    assert [(example.right, example.answer != "mauve") for example in shown] == [(True, True), (False, False)]
    assert all(example.picture for example in shown)


def test_a_picture_that_is_gone_is_said_to_be_and_costs_nothing_else(tmp_path):
    run = made(tmp_path)
    for path in (tmp_path / "sets").rglob("*.*"):
        path.unlink()
    run.suite(
        run.vqa("own"),
        {"accuracy": 0.0},
        [{"id": "a", "question": "?", "reference": "x", "answer": "y", "right": False}],
    )
    found = account(STORAGE, run.uri, "mine", 1)
    assert found.benchmarked[0].scores["mmvp"].value is not None
    assert all(example.picture is None and example.missing for example in found.examples)
    assert "no picture: " in Strict(page([found], MADE)).text


def test_a_mean_over_fewer_benchmarks_or_questions_is_labelled_partial_in_every_format(tmp_path):
    found = account(STORAGE, made(tmp_path).uri, "mine", 0)
    average = found.benchmarked[0].means["Average"]
    assert average.label.startswith("partial: 4 of 16 benchmarks")
    assert average.label in Strict(page([found], MADE)).text
    assert average.label in markdown([found], MADE)
    rows = list(csv.DictReader(io.StringIO(comma_separated([found]))))
    labelled = [row for row in rows if row["row"] == "Average" and row["column"] == "mine"]
    assert [row["label"] for row in labelled] == [average.label]
    assert "(partial)" in category_bars(series_of([found]))


def test_whole_means_and_the_papers_have_no_label():
    row = next(row for row in paper_rows() if row.size == "2B")
    found = Account(SUBJECT, (own(row.scores),))
    table = comparison([found])
    total = next(line for line in table.rows if line.kind == "total")
    assert not any(cell.label for cell in total.cells)
    assert "partial" not in category_bars(series_of([found])).replace('id="partial"', "")


def test_shards_are_merged_and_a_missing_shard_is_partial_not_wrong(tmp_path):
    both = account(STORAGE, made(tmp_path / "a", ("realworldqa",), count=12, shards=2, done=2).uri, "mine", 0)
    one = account(STORAGE, made(tmp_path / "b", ("realworldqa",), count=12, shards=2, done=1).uri, "mine", 0)
    assert [item.suites for item in both.benchmarked] == [("vqa-0", "vqa-1")]
    assert both.benchmarked[0].scores["realworldqa"].label.startswith("partial: over 12 questions")
    assert one.benchmarked[0].scores["realworldqa"].label.startswith("partial: over 6 questions")
    assert one.benchmarked[0].scores["realworldqa"].value == pytest.approx(100 * 4 / 6)


def test_scores_of_another_checkpoint_are_left_out_and_named(tmp_path):
    run = EvaluatedRun(tmp_path)
    spec = SuiteSpec.model_validate(
        {"name": "old", "knn": {"train": "file:///a.npz", "test": "file:///b.npz"}}
    )
    run.suite(spec, {"top1": 99.0}, [], digest="0" * 64)
    found = account(STORAGE, run.uri, "mine", 0)
    assert found.suites == ()
    assert "it scores a checkpoint of digest 000000000000, not this one" in found.notes[0]
    assert "99.0" not in page([found], MADE)


def test_answers_of_another_version_of_a_benchmark_are_left_out_with_the_reason(tmp_path):
    run = made(tmp_path, ("mmvp",))
    path = next(tmp_path.rglob("benchmarks/predictions.jsonl"))
    path.write_text(path.read_text().replace('"version":1', '"version":999'))
    found = account(STORAGE, run.uri, "mine", 1)
    assert found.benchmarked == ()
    assert "999 of mmvp, but this program scores version" in found.notes[0]


def test_a_checkpoint_that_is_named_is_the_one_and_none_is_an_error(tmp_path):
    run = EvaluatedRun(tmp_path)
    assert account(STORAGE, run.checkpoint, "mine", 0).subject.uri == run.checkpoint
    with pytest.raises(UserError, match="holds no committed checkpoint; name"):
        account(STORAGE, (tmp_path / "nothing").as_uri(), "mine", 0)


def test_the_newest_checkpoint_that_was_evaluated_counts(tmp_path):
    run = made(tmp_path, ("mmvp",))
    spec = spec_of(tmp_path / "run")
    newer = commit(STORAGE, spec, drawn(architecture(spec), 8), step=8)
    found = account(STORAGE, run.uri, "mine", 0)
    assert found.subject.uri == run.checkpoint
    assert found.notes == (f"checkpoint {newer.path} is newer and has no scores yet",)
    other = account(STORAGE, f"{run.uri}/{newer.path}", "mine", 0)
    assert (other.subject.step, other.notes) == (8, ("no suite has scored this checkpoint",))


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


def test_probes_stand_beside_the_papers(tmp_path):
    run = EvaluatedRun(tmp_path)
    data = {"train": "s3://nyu/train", "test": "s3://nyu/test"}
    run.suite(
        SuiteSpec.model_validate({"name": "d", "depth": {**data, "variant": "lin4"}}), {"rmse": 0.5}, []
    )
    run.suite(SuiteSpec.model_validate({"name": "l", "linear": data}), {"top1": 70.0}, [])
    table = probes([account(STORAGE, run.uri, "mine", 0)])
    assert {row.head: (row.cells[0].value, row.cells[1].value) for row in table.rows} == {
        "ImageNet-1k linear, top-1 %": (70.0, 84.7),
        "NYUv2 depth lin.4, RMSE m": (0.5, 0.345),
    }


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


def test_csv_holds_unrounded_values_and_markdown_keeps_its_columns(whole):
    found, _ = whole
    rows = list(csv.DictReader(io.StringIO(comma_separated([found]))))
    stored = found.benchmarked[0].scores["gqa"].value
    value = next(row["value"] for row in rows if row["row"] == "GQA" and row["column"] == "mine <i>")
    assert float(value) == stored
    tables = [block for block in markdown([found], MADE).split("\n\n") if block.startswith("|")]
    for block in tables:
        assert (
            len({line.replace("\\|", "").count("|") for line in block.splitlines() if line.startswith("|")})
            == 1
        )


def test_cost_of_training_stands_before_that_of_evaluation(whole):
    found, _ = whole
    told = with_cost(found, {"GPU hours": "3.000"}, ("suite x failed: no data",))
    assert next(iter(told.cost)) == "GPU hours"
    assert told.cost["evaluation, knn"] == "3.5 s"
    text = Strict(page([told], MADE)).text
    assert "3.000" in text
    assert "suite x failed: no data" in text


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
