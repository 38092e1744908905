"""`webssl eval data check` and `webssl eval score`, on real files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner
from webssl_cli.main import make_app
from webssl_eval.benchmarks.checking import questions
from webssl_eval.benchmarks.predictions import Prediction, reference_lines, written
from webssl_eval.benchmarks.registry import named
from webssl_trainer.errors import UserError
from webssl_trainer.storage import open_storage

from tests.unit.eval.benchmarks.contract import PAPER
from tests.unit.eval.benchmarks.published import WRITERS

APP = make_app(with_cluster=False)


def webssl(*arguments: str) -> Result:
    return CliRunner().invoke(APP, ["eval", *arguments])


def answered(published: str, *names: str, wrong: int = 0) -> tuple[list[Prediction], bytes]:
    """Right answers to the benchmarks of those names, the first `wrong` of each wrong; and the references' lines."""
    lines, kept = [], b""
    for benchmark in named(names):
        references = [question.reference for question in questions(open_storage(), published, benchmark)]
        kept += written(reference_lines(benchmark, references))
        for number, reference in enumerate(references):
            text = "?" if number < wrong else reference.answers[0]
            made = {"benchmark": benchmark.name, "version": benchmark.version, "id": reference.id}
            lines.append(Prediction(**made, text=text))
    return lines, kept


def test_a_check_of_all_shows_a_line_for_each_and_ends_well(published: str) -> None:
    result = webssl("data", "check", published)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0].split() == ["BENCHMARK", "STATE", "FILES", "QUESTIONS", "PUBLISHED", "IMAGES", "PROBLEMS"]
    assert [line.split()[0] for line in lines[1:]] == [benchmark.name for benchmark in PAPER]
    # two shards, 20 questions of 2114, two about each image
    assert lines[1].split() == ["mme-p", "other", "size", "2", "20", "2114", "10", "-"]


def test_a_check_of_bad_files_lists_three_problems_counts_the_rest_and_ends_badly(tmp_path: Path) -> None:
    WRITERS["mmvp"](tmp_path / "mmvp", 10)
    for number in (2, 3, 5, 8):
        (tmp_path / "mmvp" / "MMVP Images" / f"{number}.jpg").unlink()
    (tmp_path / "mmvp" / "MMVP Images" / "9.jpg").write_bytes(b"\xff\xd8\xff")
    result = webssl("data", "check", tmp_path.as_uri(), "--only", "mmvp", "--only", "gqa", "--images")
    assert result.exit_code == 1
    assert [line.split()[:2] for line in result.output.splitlines()[1:3]] == [
        ["gqa", "missing"],
        ["mmvp", "malformed"],
    ]
    assert "Questions.csv row 1: image file://" in result.output
    assert "MMVP Images/2.jpg does not exist; copy it there" in result.output
    assert "  and 2 more" in result.output


def test_scores_are_computed_again_from_predictions_and_the_data(published: str, tmp_path: Path) -> None:
    lines, _ = answered(published, "gqa", "textvqa", wrong=2)
    shards = [tmp_path / "0.jsonl", tmp_path / "1.jsonl"]
    shards[0].write_bytes(written(lines[::2]))
    shards[1].write_bytes(written(lines[1::2]))
    result = webssl("score", *map(str, shards), "--data", published, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.output)
    assert {name: found["score"] for name, found in document["benchmarks"].items()} == {
        "gqa": 80,
        "textvqa": 80,
    }
    assert document["benchmarks"]["gqa"]["label"] == "over 10 questions, published are 12578"
    assert document["means"]["Average"] == {
        "score": 80,
        "benchmarks": 2,
        "declared": 16,
        "label": "partial: 2 of 16 benchmarks; a part of the questions of GQA, TextVQA",
    }
    assert document["means"]["Knowledge"]["score"] is None


def test_references_beside_the_predictions_are_enough(published: str, tmp_path: Path) -> None:
    lines, kept = answered(published, *(benchmark.name for benchmark in PAPER))
    (tmp_path / "predictions.jsonl").write_bytes(written(lines))
    (tmp_path / "references.jsonl").write_bytes(kept)
    result = webssl("score", str(tmp_path / "predictions.jsonl"))
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.output.splitlines()]
    assert rows[1][:3] == ["MME-P", "2000.00", "20"]
    assert rows[-1][:5] == ["Average", "100.00", "16", "of", "16"]
    assert "partial: a part of the questions of 16 benchmarks" in result.output


def test_missing_predictions_are_an_error_unless_allowed(published: str, tmp_path: Path) -> None:
    lines, _ = answered(published, "gqa")
    file = tmp_path / "p.jsonl"
    file.write_bytes(written(lines[1:]))
    refused = webssl("score", str(file), "--data", published)
    assert isinstance(refused.exception, UserError)
    assert "gqa: 1 of 10 questions have no prediction, first '20100'" in str(refused.exception)
    allowed = webssl("score", str(file), "--data", published, "--allow-missing")
    assert (
        "GQA         90.00   10          over 10 questions, published are 12578; 1 unanswered"
        in allowed.output
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no prediction: name files of predictions"),
        (
            b'{"benchmark": "gqa", "version": 1, "id": "1", "text": "yes"}',
            "references.jsonl: no references there",
        ),
    ],
)
def test_what_can_not_be_scored_is_an_error_with_its_mend(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "p.jsonl"
    file.write_bytes(content)
    result = webssl("score", str(file))
    assert result.exit_code != 0
    assert said in str(result.exception)
