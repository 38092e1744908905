"""Rows as tokens: what is learned of a row, and where the image stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webssl_eval.language_models import load_language_model
from webssl_eval.suites.vqa.conversations import Conversation
from webssl_eval.suites.vqa.forms import Chat, Example, QuestionFirst, joined
from webssl_eval.suites.vqa.sequences import learned_tokens, tuning_batch


@pytest.fixture(scope="module")
def model(chat_model):
    import torch

    return load_language_model(chat_model, torch.device("cpu"))


def learned(example: Example) -> list[int]:
    return [token for token, is_learned in zip(example.tokens, example.learned, strict=True) if is_learned]


def test_only_answers_and_their_ends_are_learned_in_every_turn(model):
    form, tokens, end = Chat(model), model.tokens, model.end
    row = Conversation((("what colour", "red"), ("is it", "blue")), "a.png")
    example = form.example(row)
    assert learned(example) == [*tokens("red"), end, *tokens("blue"), end]
    assert example.at == len(tokens("question :"))
    text = model.tokenizer.decode(list(example.tokens))
    wanted = "question : what colour answer : red <end> question : is it answer : blue <end>"
    assert " ".join(text.split()) == wanted


def test_a_row_is_learned_as_it_would_be_asked(model):
    for form in (Chat(model), QuestionFirst(model)):
        example = form.example(Conversation((("what colour", "red"),), "a.png"))
        wanted = joined(
            [
                (form.before("what colour"), False),
                None,
                (form.behind("what colour"), False),
                (form.answer("red"), True),
            ]
        )
        assert example == wanted


def test_the_image_stands_in_front_of_its_question_also_in_a_later_turn(model):
    row = Conversation((("what", "red"), ("is it", "blue")), "a.png", 1)
    example = Chat(model).example(row)
    first = Chat(model).example(Conversation((("what", "red"),)))
    assert example.tokens[: len(first.tokens)] == first.tokens
    assert example.at == len(first.tokens) + len(model.tokens("question :"))


@given(
    before=st.lists(st.tuples(st.integers(2, 9), st.booleans()), min_size=1, max_size=5),
    behind=st.lists(st.tuples(st.integers(2, 9), st.booleans()), min_size=1, max_size=5),
    image=st.booleans(),
    most=st.integers(1, 14),
    whole=st.booleans(),
)
def test_a_batch_predicts_every_learned_token_from_the_position_before_it(before, behind, image, most, whole):
    items = [*before, *behind]
    example = Example(
        tuple(token for token, _ in items),
        tuple(flag for _, flag in items),
        len(before) if image else None,
    ).cut(most, 3)
    assert len(example.tokens) + (3 if example.at is not None else 0) <= most or example.at is None
    whole = whole or example.at is None
    batch = tuning_batch([example, Example((2, 3, 4), (False, False, True), 1)], 3, 1, whole)
    places = batch.wanted[0].nonzero().flatten().tolist()
    assert len(places) == learned_tokens(example, whole)
    sequence = list(example.tokens)
    if example.at is not None:
        sequence[example.at : example.at] = [-1] * 3
        sequence = sequence if whole else sequence[example.at :]
    assert [sequence[place + 1] for place in places] == batch.targets[: len(places)].tolist()
    assert int(batch.slots[0].sum()) == (3 if example.at is not None else 0)
