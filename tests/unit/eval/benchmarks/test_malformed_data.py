"""What `check` finds in bad files, and that nothing bad is scored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from webssl_eval.benchmarks.checking import Checked, State, check, questions
from webssl_eval.benchmarks.registry import named
from webssl_trainer.errors import UserError
from webssl_trainer.storage import open_storage

from tests.unit.eval.benchmarks.contract import PAPER
from tests.unit.eval.benchmarks.made_pictures import png
from tests.unit.eval.benchmarks.originals import ORIGINALS
from tests.unit.eval.benchmarks.published import WRITERS, write_parquet, write_shards
from tests.unit.eval.benchmarks.published_rows import chartqa_rows, mme_rows, textvqa_rows

every_benchmark = pytest.mark.parametrize("benchmark", PAPER, ids=lambda benchmark: benchmark.name)


def checked(root: Path, name: str, *, images: bool = False) -> Checked:
    return check(open_storage(), root.as_uri(), named([name])[0], images=images)


def problems(root: Path, name: str, *, images: bool = False) -> str:
    found = checked(root, name, images=images)
    assert found.state is State.MALFORMED
    return "\n".join(map(str, found.problems))


def chartqa(root: Path, change: Callable[[list[dict[str, Any]]], object]) -> str:
    """Problems of four ChartQA rows after a change to them."""
    rows = chartqa_rows(4)
    change(rows)
    write_parquet(root / "chartqa" / "data" / "test-00000-of-00001.parquet", rows)
    return problems(root, "chartqa", images=True)


@every_benchmark
def test_a_benchmark_that_is_not_there_is_missing_and_what_to_copy_is_said(benchmark, tmp_path) -> None:
    found = checked(tmp_path, benchmark.name)
    assert found.state is State.MISSING
    (problem,) = found.problems
    assert f"copy the files of {benchmark.published} there" in problem.text
    assert problem.place.endswith(f"/{benchmark.name}")


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "mmvp"])
def test_a_missing_column_is_named_with_those_that_are_there(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, 4)
    file = sorted((tmp_path / name).rglob("*.parquet"))[-1]
    table = pq.read_table(file)
    lost = {"mmmu-v": "image_1", "mathvista": "decoded_image"}.get(name, "image")
    lost = lost if lost in table.column_names else "answer"
    pq.write_table(table.drop_columns([lost]), file)
    said = problems(tmp_path, name)
    assert f"no column {lost} (there: " in said
    assert file.name in said
    with pytest.raises(UserError, match=f"{name}: .*in its files"):
        questions(open_storage(), tmp_path.as_uri(), named([name])[0])


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    write_shards(tmp_path / "chartqa" / "data", "test", chartqa_rows(6), shards=3)
    next((tmp_path / "chartqa" / "data").glob("*-00001-of-*")).unlink()
    assert "1 of 3 files are missing (00001); copy them too" in problems(tmp_path, "chartqa")


def test_a_file_that_is_no_parquet_is_named(tmp_path: Path) -> None:
    file = tmp_path / "gqa" / "testdev_balanced_instructions" / "testdev-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    said = problems(tmp_path, "gqa")
    assert "testdev-00000-of-00001.parquet: no readable Parquet file" in said


def test_an_id_that_comes_twice_is_named_with_both_places(tmp_path: Path) -> None:
    rows = textvqa_rows(4)
    rows[3]["question_id"] = rows[1]["question_id"]
    write_parquet(tmp_path / "textvqa" / "data" / "validation-00000-of-00001.parquet", rows)
    said = problems(tmp_path, "textvqa")
    assert "row 3: id '34603' is that of validation-00000-of-00001.parquet row 1 already" in said


def test_an_empty_answer_is_named_by_row_and_field(tmp_path: Path) -> None:
    said = chartqa(tmp_path, lambda rows: rows[2].update(answer=" "))
    assert "row 2: answer: String should have at least 1 character, not ' '" in said


def test_an_empty_picture_cell_and_a_broken_picture_are_named(tmp_path: Path) -> None:
    def change(rows: list[dict[str, Any]]) -> None:
        rows[0]["image"] = None
        rows[1]["image"] = {"bytes": png(1, 64)[:-40], "path": "1.png"}
        rows[2]["image"] = {"bytes": b"", "path": "2.png"}
        rows[3]["image"] = {"bytes": b"<html>not found</html>", "path": "3.png"}

    said = chartqa(tmp_path, change)
    assert "row 0: image: should be a picture, not None" in said
    assert "row 1 image is unreadable (" in said
    assert "row 2 image is unreadable (empty)" in said
    assert "row 3 image is unreadable (no known image format)" in said


def test_broken_pictures_are_not_looked_for_unless_asked(tmp_path: Path) -> None:
    rows = chartqa_rows(2)
    rows[0]["image"] = {"bytes": b"nothing", "path": "0.png"}
    write_parquet(tmp_path / "chartqa" / "data" / "test-00000-of-00001.parquet", rows)
    assert checked(tmp_path, "chartqa").state is State.OTHER_SIZE


def test_an_image_file_that_does_not_exist_is_named_without_reading_any(tmp_path: Path) -> None:
    ORIGINALS["docvqa"](tmp_path / "docvqa", 3)
    (tmp_path / "docvqa" / "documents" / "1_1.png").unlink()
    said = problems(tmp_path, "docvqa")
    assert "val_v1.0_withQT.json row 1: image " in said
    assert "documents/1_1.png does not exist; copy it there" in said
    # and with the others read too
    assert problems(tmp_path, "docvqa", images=True) == said


def test_a_letter_that_is_no_option_is_named(tmp_path: Path) -> None:
    ORIGINALS["mmbench"](tmp_path / "mmbench", 2)
    file = tmp_path / "mmbench" / "mmbench_dev_en_20231003.tsv"
    file.write_text(file.read_text().replace("\tB\tobject", "\tE\tobject", 1))
    assert "row 0: answer: 'E' is no letter of 3 options" in problems(tmp_path, "mmbench")


def test_a_pass_whose_picture_names_no_row_is_malformed(tmp_path: Path) -> None:
    ORIGINALS["mmbench"](tmp_path / "mmbench", 2)
    file = tmp_path / "mmbench" / "mmbench_dev_en_20231003.tsv"
    lines = file.read_text().splitlines()
    lines[2] = lines[2].rpartition("\t")[0] + "\t99"
    file.write_text("\n".join(lines))
    assert "row 1: image: " in problems(tmp_path, "mmbench")


def test_half_a_pair_is_malformed(tmp_path: Path) -> None:
    write_parquet(tmp_path / "mme-p" / "test-00000-of-00001.parquet", mme_rows(2)[1:])
    assert "existence/existence/0000.png has 1 questions, a pair has 2" in problems(tmp_path, "mme-p")
    WRITERS["mmvp"](tmp_path / "mmvp", 4)
    file = tmp_path / "mmvp" / "Questions.csv"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))
    assert "pair 2 has 1 questions" in problems(tmp_path, "mmvp")


def test_an_answer_of_mme_other_than_yes_or_no_is_malformed(tmp_path: Path) -> None:
    rows = mme_rows(1)
    rows[0]["answer"] = "Maybe"
    write_parquet(tmp_path / "mme-p" / "test-00000-of-00001.parquet", rows)
    assert "answer: 'Maybe' is neither Yes nor No" in problems(tmp_path, "mme-p")


def test_textvqa_needs_ten_answers(tmp_path: Path) -> None:
    rows = textvqa_rows(2)
    rows[1]["answers"] = ["dakota"] * 9
    write_parquet(tmp_path / "textvqa" / "validation-00000-of-00001.parquet", rows)
    assert "row 1: answers: " in problems(tmp_path, "textvqa")


def test_textvqa_without_its_ocr_words_is_malformed(tmp_path: Path) -> None:
    ORIGINALS["textvqa"](tmp_path / "textvqa", 2)
    (tmp_path / "textvqa" / "TextVQA_Rosetta_OCR_v0.2_val.json").unlink()
    assert "is missing, and the prompt quotes its words" in problems(tmp_path, "textvqa")


def test_gqa_without_its_images_is_malformed(tmp_path: Path) -> None:
    WRITERS["gqa"](tmp_path / "gqa", 2)
    next((tmp_path / "gqa" / "testdev_balanced_images").iterdir()).unlink()
    assert "imageId: 'n0' is not among the files testdev_balanced_images/" in problems(tmp_path, "gqa")


@pytest.mark.parametrize("content", ["", "[", "{}", '{"data": 3}', '{"data": [3]}', "[]", "null"])
def test_json_of_another_form_is_malformed(content: str, tmp_path: Path) -> None:
    file = tmp_path / "docvqa" / "val_v1.0.json"
    file.parent.mkdir()
    file.write_text(content)
    assert "copy " in problems(tmp_path, "docvqa")


def test_a_table_in_another_encoding_is_malformed(tmp_path: Path) -> None:
    file = tmp_path / "mmvp" / "Questions.csv"
    file.parent.mkdir()
    file.write_bytes(
        "Index,Question,Options,Correct Answer\n1,Caf\xe9?,(a) Yes (b) No,(a)\n".encode("latin-1")
    )
    assert "Questions.csv: no readable table" in problems(tmp_path, "mmvp")


def test_files_without_a_question_of_the_benchmark_are_malformed(tmp_path: Path) -> None:
    write_parquet(tmp_path / "mme-p" / "test-00000-of-00001.parquet", mme_rows(0))
    assert "hold no question of this benchmark" in problems(tmp_path, "mme-p")


def test_a_source_that_is_no_part_of_cv_bench_is_malformed(tmp_path: Path) -> None:
    WRITERS["cvbench-2d"](tmp_path / "cvbench-2d", 2)
    file = tmp_path / "cvbench-2d" / "test_2d.parquet"
    rows = pq.read_table(file).to_pylist()
    rows[1]["source"] = "COCOA"
    write_parquet(file, rows)
    assert "source: 'COCOA' is none of ADE20K, COCO" in problems(tmp_path, "cvbench-2d")
