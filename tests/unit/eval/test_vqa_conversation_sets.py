"""Sets of conversations: written once to be had by number, and tuned on."""

from __future__ import annotations

import json
import tarfile

import pytest
from webssl_api.evaluation_vqa import VqaSuite
from webssl_eval.suites.vqa.suite import VisualQuestions
from webssl_eval.suites.vqa.training_set import Source, write_set
from webssl_trainer.errors import UserError

from tests.unit.eval.conftest import png
from tests.unit.eval.dialogues import said
from tests.unit.eval.tunings import kept_place, weights_of


@pytest.fixture
def conversations(tmp_path):
    """Writes conversations about pictures of one colour, some without a picture; gives the URL of the file."""

    def write(name: str = "chat.json", count: int = 12, change=lambda rows: rows, images="images/{}.png"):
        folder = tmp_path / "chat"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        rows = []
        for number in range(count):
            colour = ("red", "green", "blue", "white")[number % 4]
            (folder / "images" / f"{colour}.png").write_bytes(png(colour))
            turns = said("<image>\nwhat colour is it ?", colour, "what is it ?", "colour")
            rows.append({"id": f"{number}", "image": images.format(colour), "conversations": turns})
            if number % 4 == 3:
                rows.append({"id": "text", "conversations": said("what is red ?", "colour")})
        rows = change(rows)
        text = json.dumps(rows) if name.endswith(".json") else "".join(json.dumps(row) + "\n" for row in rows)
        (folder / name).write_text(text)
        return (folder / name).as_uri()

    return write


def test_rows_and_their_images_are_had_by_number(conversations, storage, tmp_path):
    rows, answers = write_set(storage, Source(conversations()), tmp_path / "set")
    assert len(rows) == 15
    assert rows.is_chat
    assert rows.image_count == 4
    assert rows.images[:6].tolist() == [0, 1, 2, 3, -1, 0]
    assert rows.with_image.tolist() == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11, 12, 13]
    assert rows.row(1).turns == (("what colour is it ?", "green"), ("what is it ?", "colour"))
    assert list(rows.read(storage, [2, 0])) == [png("blue"), png("red")]
    assert answers["", "colour"] == 15
    assert rows.image_place(3) == "chat.json, row 4"
    rows.close()


def test_json_and_json_lines_are_one_set_and_a_set_of_questions_is_another_layout_of_the_same(
    conversations, questions, storage, tmp_path
):
    digests = [
        write_set(storage, Source(conversations(name)), tmp_path / name)[0].digest
        for name in ("chat.json", "chat.jsonl")
    ]
    assert digests[0] == digests[1]
    rows, _ = write_set(storage, Source(questions("train", 8)), tmp_path / "simple")
    assert (len(rows), rows.image_count, rows.is_chat) == (8, 4, False)
    assert rows.row(2).turns == (("what colour is it?", "blue"),)


def test_images_may_lie_in_shards_and_in_a_folder_elsewhere(conversations, storage, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    url = conversations(images="shard-0.tar#images/{}.png")
    with tarfile.open(tmp_path / "elsewhere" / "shard-0.tar", "w") as shard:
        shard.add(tmp_path / "chat" / "images", "images")
    rows, _ = write_set(storage, Source(url, (tmp_path / "elsewhere").as_uri()), tmp_path / "set")
    assert list(rows.read(storage, [1])) == [png("green")]


def test_ids_of_conversations_may_repeat_and_two_names_of_a_file_are_both_found(
    conversations, storage, tmp_path
):
    def change(rows):
        rows[1] = {**rows[1], "id": rows[0]["id"], "image": "./images/red.png"}
        return rows

    rows, _ = write_set(storage, Source(conversations(change=change)), tmp_path / "set")
    assert len(rows) == 15
    assert list(rows.read(storage, [0, 1])) == [png("red"), png("red")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"image": "images/none.png", "conversations": said("a", "b")},
            r"row 2: image .*none\.png does not exist",
        ),
        (
            {"image": "shard.tar", "conversations": said("a", "b")},
            r"row 2: image 'shard\.tar' names no image",
        ),
        ({"conversations": said("a")}, r"chat\.json, row 2: conversations: human and gpt must take turns"),
    ],
)
def test_a_wrong_row_is_named(conversations, storage, tmp_path, row, message):
    url = conversations(change=lambda rows: [rows[0], row, *rows[2:]])
    with pytest.raises(UserError, match=message):
        write_set(storage, Source(url), tmp_path / "set")


def test_an_empty_file_is_refused(storage, tmp_path):
    for name, text in (("a.json", "[]"), ("b.jsonl", "\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=r"holds no row; write questions .* or conversations"):
            write_set(storage, Source((tmp_path / name).as_uri()), tmp_path / f"set-{name}")


def test_the_suite_tunes_on_conversations_with_text_only_rows_in_stage_2(
    conversations, questions, chat_model, encoder, tmp_path
):
    place = kept_place(tmp_path)
    spec = VqaSuite(
        train=conversations(),
        test=questions("test", 4),
        language_model=str(chat_model),
        visual_tokens=4,
        steps=6,
        batch_size=8,
        learning_rate=0.02,
        stage2={"steps": 4, "batch_size": 15, "learning_rate": 0.01},
    )
    outcome = VisualQuestions(spec).run(encoder, place)
    first, second = weights_of(place)
    assert first["losses"][-1] < first["losses"][0]
    assert second["losses"][-1] < second["losses"][0]
    assert outcome.details["trainQuestions"] == outcome.details["stage2Rows"] == 15


def test_a_set_without_images_can_not_tune_a_projector(conversations, questions, chat_model, encoder, place):
    rows = [{"conversations": said("what ?", "red")}]
    spec = VqaSuite(
        train=conversations(change=lambda _: rows), test=questions("test", 4), language_model=str(chat_model)
    )
    with pytest.raises(UserError, match="names no image; the projector learns from rows with one"):
        VisualQuestions(spec.model_copy(update={"visual_tokens": 4})).run(encoder, place)
