"""Question files: what is read, and what is refused with file, line and mend."""

from __future__ import annotations

import json

import pytest
from webssl_eval.images import ImageRef, locate, read_images, ref_of
from webssl_eval.suites.vqa.questions import first_places, load_questions, parse_questions
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.errors import UserError

URL = "s3://bucket/set/train.jsonl"
GOOD = {"id": "1", "image": "a.png", "question": "what?", "answer": "this"}


def lines(*records: object) -> bytes:
    return "\n".join(r if isinstance(r, str) else json.dumps(r) for r in records).encode()


def test_images_are_relative_to_the_files_folder_and_blank_lines_do_not_matter():
    (question,) = parse_questions(lines("", GOOD, "  "), URL)
    assert question.image == ImageRef("s3://bucket/set/a.png")
    assert (question.kind, question.place) == ("", "train.jsonl:2")


def test_numbers_count_as_text_and_other_fields_are_left_alone():
    (question,) = parse_questions(lines({**GOOD, "id": 7, "answer": 3, "source": {}}), URL)
    assert (question.id, question.answer) == ("7", "3")


@pytest.mark.parametrize(
    ("text", "url", "member"),
    [
        ("x/a.png", "s3://b/f/x/a.png", ""),
        ("x/s.tar#1/a.png", "s3://b/f/x/s.tar", "1/a.png"),
        ("s3://other/s.tar#a.png", "s3://other/s.tar", "a.png"),
        ("odd#name.png", "s3://b/f/odd#name.png", ""),
    ],
)
def test_an_image_is_a_file_or_a_member_of_a_shard(text, url, member):
    assert ref_of("s3://b/f", text) == ImageRef(url, member)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no question; write one JSON object a line"),
        (
            lines(GOOD, "{broken"),
            r"train.jsonl:2: .*; write a JSON object with id, image, question and answer",
        ),
        (lines(["list"]), "train.jsonl:1: .*write a JSON object"),
        (lines({**GOOD, "answer": ""}), "train.jsonl:1: answer: .*at least 1 character"),
        (
            lines({key: GOOD[key] for key in ("id", "image", "answer")}),
            "train.jsonl:1: question: Field required",
        ),
        (
            lines(GOOD, {**GOOD, "image": "b.png"}),
            "train.jsonl:2: id '1' is that of line 1 already; ids must differ",
        ),
        (
            lines({**GOOD, "image": "s.tar"}),
            "train.jsonl:1: image 's.tar' names no image; write a path, or shard.tar#",
        ),
        (b'{"id": "\xff"}', "train.jsonl:1: "),
    ],
)
def test_a_malformed_file_is_refused_with_line_and_mend(data, message):
    with pytest.raises(UserError, match=message):
        parse_questions(data, URL)


def test_a_missing_file_is_named(storage, tmp_path):
    with pytest.raises(UserError, match=r"none\.jsonl: not found"):
        load_questions(storage, (tmp_path / "none.jsonl").as_uri())


def test_members_of_shards_and_plain_files_are_found_and_read(storage, tmp_path):
    pack([PackItem("in", b"inner", "png")], storage, (tmp_path / "shards").as_uri())
    (tmp_path / "plain.png").write_bytes(b"outer")
    data = lines(
        {**GOOD, "image": "shards/000000.tar#in.png"},
        {**GOOD, "id": "2", "image": "plain.png"},
        {**GOOD, "id": "3", "image": "plain.png"},
    )
    places = first_places(parse_questions(data, f"{tmp_path.as_uri()}/q.jsonl"))
    located = locate(storage, places)
    assert list(places.values()) == ["q.jsonl:1", "q.jsonl:2"]
    assert list(read_images(storage, located, places)) == [b"inner", b"outer"]


@pytest.mark.parametrize("image", ["gone.png", "shards/000000.tar#gone.png", "gone.tar#in.png"])
def test_a_missing_image_is_named_with_its_line_before_anything_is_computed(storage, tmp_path, image):
    pack([PackItem("in", b"inner", "png")], storage, (tmp_path / "shards").as_uri())
    questions = parse_questions(lines({**GOOD, "image": image}), f"{tmp_path.as_uri()}/q.jsonl")
    with pytest.raises(
        UserError, match=r"q.jsonl:1: image .*gone.* does not exist; upload it, or remove the line"
    ):
        locate(storage, first_places(questions))
