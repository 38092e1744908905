"""Rows in LLaVA's and Cambrian-1's layout: what each means, settled where the layout is open."""

from __future__ import annotations

import pytest
from webssl_eval.suites.vqa.conversations import Conversation, parsed_row

from tests.unit.eval.dialogues import said


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (
            {"id": 1, "image": "a.png", "conversations": said("<image>\nWhat?", "A cat.")},
            Conversation((("What?", "A cat."),), "a.png"),
        ),
        (
            {"image": "a.png", "conversations": said("What?\n<image>", "A cat.", "Sure?", "Yes.")},
            Conversation((("What?", "A cat."), ("Sure?", "Yes.")), "a.png"),
        ),
        (
            {"image": ["a.png"], "conversations": said("Hello", "Hi", "<image> What?", "A cat.")},
            Conversation((("Hello", "Hi"), ("What?", "A cat.")), "a.png", 1),
        ),
        ({"image": "a.png", "conversations": said("What?", "A cat.")}, Conversation((("What?", "A cat."),), "a.png")),
        ({"conversations": said("2 + 2?", "4")}, Conversation((("2 + 2?", "4"),))),
        ({"image": "", "conversations": said("2 + 2?", "4")}, Conversation((("2 + 2?", "4"),))),
        (
            {"conversations": [{"from": "gpt", "value": "Welcome"}, *said("2 + 2?", "4")]},
            Conversation((("2 + 2?", "4"),)),
        ),
        (
            {"conversations": [{"from": "system", "value": "Be brief."}, *said("2 + 2?", "4")]},
            Conversation((("Be brief.\n2 + 2?", "4"),)),
        ),
        (
            {"conversations": said("2 + 2?", "4", roles=("user", "assistant"))},
            Conversation((("2 + 2?", "4"),)),
        ),
    ],
    ids=[
        "one turn", "placeholder behind", "image in a later turn", "no placeholder", "text only", "empty image",
        "answer first", "system", "other names of roles",
    ],
)  # fmt: skip
def test_rows_are_read_as_stated(row, wanted):
    assert parsed_row(row) == wanted


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([], "write id, image and conversations"),
        ({"image": "a.png"}, "conversations: Field required"),
        ({"conversations": []}, "human and gpt must take turns"),
        ({"conversations": said("What?")}, "gpt must end"),
        ({"conversations": [*said("What?", "A"), *said("B", "C")[1:]]}, "must take turns"),
        ({"conversations": said("What?", " ")}, "an answer is empty; remove its turn"),
        (
            {"conversations": said("What?", "A", roles=("human", "bot"))},
            "from: 'bot' is neither human nor gpt",
        ),
        ({"conversations": [{"from": "human", "value": 3}, *said("a", "b")[1:]]}, "value: Input should be"),
        ({"conversations": said("<image> What?", "A")}, "the row names no image; name one, or remove it"),
        (
            {"image": "a", "conversations": said("<image><image>", "A")},
            "2 times <image> in a row with one image",
        ),
        (
            {"image": ["a", "b"], "conversations": said("<image>", "A")},
            "names 2 images; give each a row of its own",
        ),
    ],
)
def test_malformed_rows_are_refused_with_the_mend(row, message):
    with pytest.raises(ValueError, match=message):
        parsed_row(row)
