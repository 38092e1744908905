"""From published files to questions: ids, texts, references, and the right picture for each question."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.checking import State, check, digest, questions
from webssl_eval.benchmarks.question import Question
from webssl_eval.benchmarks.reading.pictures import picture_places, read_pictures
from webssl_eval.benchmarks.registry import named
from webssl_trainer.errors import UserError
from webssl_trainer.storage import open_storage

from tests.unit.eval.benchmarks.conftest import COUNT
from tests.unit.eval.benchmarks.contract import PAPER
from tests.unit.eval.benchmarks.made_pictures import colour_of
from tests.unit.eval.benchmarks.originals import ORIGINALS
from tests.unit.eval.benchmarks.published import WRITERS

every_benchmark = pytest.mark.parametrize("benchmark", PAPER, ids=lambda benchmark: benchmark.name)
IN_SET = {"mme-p": 2 * COUNT, "mmbench": 3 * COUNT}
FIRST_IDS = {
    "mme-p": ["existence/0000.png/0", "existence/0000.png/1", "count/0001.png/2"],
    "mmbench": ["0", "1000000", "2000000"],
    "seed-i": ["100", "101", "102"],
    "gqa": ["20100", "20101", "20102"],
    "scienceqa-i": ["0", "2", "4"],
    "mmmu-v": ["validation_Art_Theory_0", "validation_Art_Theory_1", "validation_Art_Theory_2"],
    "textvqa": ["34602", "34603", "34604"],
    "docvqa": ["49153", "49154", "49155"],
    "mmvp": ["1", "2", "3"],
}


def found(uri: str, benchmark: Benchmark) -> tuple[Question, ...]:
    return questions(open_storage(), uri, benchmark)


def numbers_in(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\b\d+\b", text.replace("<image 1>", ""))]


def colours(asked: tuple[Question, ...]) -> dict[str, tuple[int, ...]]:
    """The colour of each question's picture, by id; JPEG may be off by two."""
    read = dict(read_pictures(open_storage(), picture_places(asked)))
    made = {}
    for question in asked:
        with Image.open(io.BytesIO(read[question.pictures[0]])) as image:
            made[question.id] = image.convert("RGB").getpixel((1, 1))
    return made


def picture_number(benchmark: Benchmark, question: Question) -> int:
    """Of the picture that a made question is about."""
    if benchmark.name == "mmvp":
        return int(question.id)
    number = numbers_in(question.text)[0]
    return number // 2 if benchmark.name == "gqa" else number


@every_benchmark
def test_the_published_layout_is_read_whole_with_its_shards_in_order(
    benchmark: Benchmark, published: str
) -> None:
    asked = found(published, benchmark)
    assert len(asked) == IN_SET.get(benchmark.name, COUNT)
    first = FIRST_IDS.get(benchmark.name, ["0", "1", "2"])
    assert [question.id for question in asked[:3]] == first
    assert found(published, benchmark) == asked


@every_benchmark
def test_every_question_has_its_own_picture(benchmark: Benchmark, published: str) -> None:
    asked = found(published, benchmark)
    seen = colours(asked)
    for question in asked:
        expected = colour_of(picture_number(benchmark, question))
        assert seen[question.id] == pytest.approx(expected, abs=3), question


@every_benchmark
def test_a_check_finds_nothing_but_another_size(benchmark: Benchmark, published: str) -> None:
    checked = check(open_storage(), published, benchmark, images=True)
    assert checked.problems == ()
    assert (checked.state, checked.questions) == (State.OTHER_SIZE, IN_SET.get(benchmark.name, COUNT))


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_authors_own_layout_gives_the_same_questions_about_the_same_pictures(
    name: str, tmp_path: Path
) -> None:
    (benchmark,) = named([name])
    WRITERS[name](tmp_path / "hub" / name, COUNT)
    ORIGINALS[name](tmp_path / "original" / name, COUNT)
    hub = found((tmp_path / "hub").as_uri(), benchmark)
    original = found((tmp_path / "original").as_uri(), benchmark)

    def essence(question: Question) -> tuple[object, ...]:
        reference = question.reference
        return question.text, question.hint, reference.answers, reference.choices, reference.kind

    assert sorted(map(essence, original)) == sorted(map(essence, hub))
    seen = colours(original)
    for question in original:
        expected = colour_of(picture_number(benchmark, question))
        assert seen[question.id] == pytest.approx(expected, abs=3), question


def test_videos_and_questions_without_an_image_and_cognition_are_left_out(published: str) -> None:
    for name, left_out in (("seed-i", "v1"), ("scienceqa-i", "1"), ("mme-p", "code_reasoning/0001.png/20")):
        asked = found(published, named([name])[0])
        assert left_out not in {question.id for question in asked}


def test_the_passes_of_a_circular_question_are_a_group_by_text_and_picture(published: str) -> None:
    asked = found(published, named(["mmbench"])[0])
    by_group: dict[str, set[str]] = {}
    for question in asked:
        by_group.setdefault(question.reference.group, set()).add(question.id)
    assert len(by_group) == COUNT
    assert {"3", "1000003", "2000003"} in by_group.values()
    assert [question.reference.answers for question in asked[:3]] == [("B",), ("A",), ("C",)]


def test_pictures_that_several_rows_carry_are_one_picture(published: str) -> None:
    for name in ("mme-p", "mmbench"):
        assert len(picture_places(found(published, named([name])[0]))) == COUNT


def test_mmmu_takes_one_folder_a_subject_too(tmp_path: Path) -> None:
    WRITERS["mmmu-v"](tmp_path / "hub", 4)
    (tmp_path / "hub" / "data").rename(tmp_path / "hub" / "Art_Theory")
    (tmp_path / "hub").rename(tmp_path / "mmmu-v")
    asked = found(tmp_path.as_uri(), named(["mmmu-v"])[0])
    assert [question.reference.kind for question in asked] == ["Art Theory"] * 4
    # questions 0 and 1 have options, one of them in double quotes; 2 is open with two accepted answers
    assert asked[1].reference.choices == ("a lion", "it's a <image 2>", "a wall")
    assert asked[2].reference.answers == ("$6,000", "6000")


@every_benchmark
def test_object_storage_gives_the_same_questions_and_pictures_as_a_folder(
    benchmark: Benchmark, published: str
) -> None:
    storage, copy = open_storage(), "memory://benchmarks"
    local = f"{published}/{benchmark.name}"
    for info in storage.list_objects(local):
        storage.put(f"{copy}/{benchmark.name}{info.url.removeprefix(local)}", storage.read(info.url))
    here, there = found(published, benchmark), found(copy, benchmark)
    assert [question.reference for question in here] == [question.reference for question in there]
    assert colours(here) == colours(there)
    assert digest(published, here) == digest(copy, there)


def test_the_digest_tells_other_questions_references_and_places(published: str) -> None:
    asked = found(published, named(["textvqa"])[0])
    first = asked[0]
    other = first.reference.model_copy(update={"answers": ("x",) * 10})
    changed = [
        replace(first, text="why?"),
        replace(first, hint="look"),
        replace(first, words=("one",)),
        replace(first, reference=other),
        replace(first, pictures=asked[1].pictures),
    ]
    digests = {digest(published, [question, *asked[1:]]) for question in [first, *changed]}
    assert len(digests) == 6
    assert digest(published, asked[::-1]) != digest(published, asked)


def test_only_benchmarks_that_exist_can_be_named() -> None:
    assert [benchmark.name for benchmark in named(["gqa", "mme-p"])] == ["mme-p", "gqa"]
    with pytest.raises(UserError, match=r"'qga' is unknown; use one of mme-p, mmbench"):
        named(["qga"])
