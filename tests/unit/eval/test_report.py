"""Reports: what they say, what they refuse to say, and that they need nothing from outside."""

from __future__ import annotations

import csv
import io
import re
from urllib.parse import urlsplit

import pytest
from PIL import Image
from webssl_api.evaluation import SuiteSpec
from webssl_eval.benchmarks.registry import BENCHMARKS
from webssl_eval.report.bars import category_bars
from webssl_eval.report.gather import account, with_cost
from webssl_eval.report.page import page
from webssl_eval.report.plain import comma_separated, markdown
from webssl_eval.report.series import series_of
from webssl_eval.report.tables import probes
from webssl_trainer.configs.architecture import architecture
from webssl_trainer.errors import UserError
from webssl_trainer.storage import join

from tests.unit.eval.checkpoints import commit, drawn, spec_of
from tests.unit.eval.evaluated_run import ALL, STORAGE, EvaluatedRun
from tests.unit.eval.strict_html import Strict

MADE = "2026-01-02 03:04 UTC"
NAMES = ("mme-p", "gqa", "chartqa", "mmvp")


def made(root, names=NAMES, **changes):
    run = EvaluatedRun(root)
    run.benchmarks(names, **changes)
    return run


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


def test_where_the_encoder_looks_is_shown_once_beside_what_training_drew(tmp_path):
    run = EvaluatedRun(tmp_path)
    run.drawings()
    drawn = STORAGE.read(next(info.url for info in STORAGE.list_objects(join(run.uri, "pictures"))))
    predictions = [{"id": "1", "label": "a", "predicted": ["a"]}]
    for name in ("first", "second"):
        spec = SuiteSpec.model_validate(
            {"name": name, "knn": {"train": "file:///none", "test": "file:///none", "k": 1}}
        )
        run.suite(spec, {"top1": 100.0}, predictions, files={"encoder.png": drawn})
    found = account(STORAGE, run.uri, "mine", 0)
    titles = [picture.title for picture in found.encoder_pictures]
    assert [title.partition(" (")[0] for title in titles] == [
        "patch features, their three principal components as colours",
        "where the last block's class token looks, on pictures of the suite first",
    ]


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
