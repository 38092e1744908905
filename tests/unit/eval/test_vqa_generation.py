"""Batched answers: those of one-by-one `generate`, each picture read once, and halved batches where memory is short."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_eval.images import ImageRef
from webssl_eval.language_models import LanguageModel, load_language_model
from webssl_eval.language_models.attention import grouped_attention
from webssl_eval.language_models.roomy import RoomyLayer
from webssl_eval.suites.vqa.forms import Chat, around_message, between_messages, check_template, with_template
from webssl_eval.suites.vqa.generation import Generation
from webssl_eval.suites.vqa.requests import Request, answering_order
from webssl_trainer.errors import UserError

CPU = torch.device("cpu")
PICTURES = [ImageRef(f"s3://b/{name}.png") for name in "abc"]


@pytest.fixture(scope="module")
def model(language_model):
    return load_language_model(language_model, CPU)


def visual_of(model, tokens=5):
    table = torch.randn(len(PICTURES), tokens, model.width, generator=torch.Generator().manual_seed(1))
    return lambda pictures: table[[PICTURES.index(picture) for picture in pictures]]


def one_by_one(model, visual, request, most):
    """transformers' own greedy generation from the embeddings of the whole request."""
    pieces = [
        model.embed(torch.tensor(piece)) if isinstance(piece, tuple) else visual([piece])[0]
        for piece in (*request.head, request.tail)
    ]
    embedded = torch.cat(pieces)[None]
    mask = torch.ones(embedded.shape[:2], dtype=torch.int64)
    tokens = model.model.generate(
        inputs_embeds=embedded,
        attention_mask=mask,
        max_new_tokens=most,
        do_sample=False,
        eos_token_id=model.end,
        pad_token_id=model.end,
    )
    answer = [token for token in tokens[0].tolist() if token != model.end]
    return model.tokenizer.decode(answer, skip_special_tokens=True)


numbers = st.lists(st.integers(2, 13), min_size=1, max_size=6).map(tuple)
heads = st.tuples(numbers, st.sampled_from(PICTURES)) | st.tuples(
    numbers, st.sampled_from(PICTURES), numbers, st.sampled_from(PICTURES)
)
asked = st.lists(st.builds(Request, heads | st.tuples(numbers), numbers), min_size=1, max_size=9)


@settings(max_examples=25, deadline=None)
@given(asked, st.integers(1, 4))
def test_answers_in_batches_are_those_of_one_by_one_generation(model, requests, rows):
    visual = visual_of(model)
    answers = Generation(model, visual, rows).answer(requests, 6, lambda *_: None)
    assert answers == [one_by_one(model, visual, request, 6) for request in requests]


@settings(max_examples=50, deadline=None)
@given(asked)
def test_every_request_is_answered_once_with_those_of_its_head_beside_it(requests):
    order = answering_order(requests)
    assert sorted(order) == list(range(len(requests)))
    heads = [requests[number].head for number in order]
    changes = sum(before != behind for before, behind in pairwise(heads))
    assert changes == len(set(heads)) - 1
    for before, behind in pairwise(order):
        if requests[before].head == requests[behind].head:
            assert len(requests[before].tail) >= len(requests[behind].tail)


def test_a_picture_is_read_once_however_many_questions_there_are_about_it(model):
    requests = [Request(((2,), PICTURES[number % 2]), (3, 4)) for number in range(20)]
    generation = Generation(model, visual_of(model), rows=3)
    generation.answer(requests, 2, lambda *_: None)
    assert generation.heads_read == 2


def test_rows_that_end_early_leave_the_batch_and_change_no_other_answer(model):
    requests = [Request(((2,), PICTURES[n % 3]), (n, m)) for n in range(2, 14) for m in (3, 9)]
    visual = visual_of(model)
    # The random model hardly ever writes its end; a word that some answers have ends them instead.
    written = [one_by_one(model, visual, request, 12).split() for request in requests]
    word = min(
        {word for words in written for word in words}, key=lambda w: abs(12 - sum(w in a for a in written))
    )
    model = replace(model, end=model.tokens(word)[0])
    answers = Generation(model, visual, 24).answer(requests, 12, lambda *_: None)
    assert {len(answer.split()) == 12 for answer in answers} == {True, False}
    assert answers == [one_by_one(model, visual, request, 12) for request in requests]


class Cramped(LanguageModel):
    """A language model on a device whose memory takes `room` rows."""

    room = 3

    def logits(self, past, inputs_BLH, mask_BL, wanted_BL):
        if len(inputs_BLH) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().logits(past, inputs_BLH, mask_BL, wanted_BL)


def cramped(model, room):
    kind = type("Small", (Cramped,), {"room": room})
    return kind(**{field.name: getattr(model, field.name) for field in fields(model)})


def test_a_batch_that_does_not_fit_the_memory_is_halved_and_the_answers_are_the_same(model):
    requests = [Request(((2,), PICTURES[number % 3]), (number % 9 + 2, 3)) for number in range(20)]
    expected = Generation(model, visual_of(model)).answer(requests, 5, lambda *_: None)
    generation, done = Generation(cramped(model, 3), visual_of(model), rows=16), []
    assert generation.answer(requests, 5, lambda *state: done.append(state)) == expected
    assert generation.rows == 2
    assert done[-1] == (20, 20)


def test_a_question_that_does_not_fit_alone_is_an_error(model):
    requests = [Request(((2,), PICTURES[0]), (3,))]
    with pytest.raises(UserError, match="one question alone does not fit the memory of cpu; give"):
        Generation(cramped(model, 0), visual_of(model)).answer(requests, 5, lambda *_: None)


def test_other_faults_of_the_model_are_not_taken_for_a_lack_of_memory(model):
    def broken(pictures):
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        Generation(model, broken).answer([Request(((2,), PICTURES[0]), (3,))], 5, lambda *_: None)


def test_a_question_that_does_not_fit_the_context_is_named_with_the_numbers(model):
    requests = [Request(((2,), PICTURES[0]), (3,))]
    with pytest.raises(UserError, match="takes 3007 positions, the languageModel's context is 2048; lower"):
        Generation(model, visual_of(model)).answer(requests, 3000, lambda *_: None)


def test_a_prompt_becomes_a_message_with_the_picture_first(chat_model):
    check_template("tiny", chat_model)
    chat = Chat(load_language_model(chat_model, CPU))
    tokens = chat._model.tokens
    request = chat.request((PICTURES[0], "what colour", "is it ?"))
    assert request.head == (tuple(tokens("question :")), PICTURES[0])
    assert list(request.tail) == tokens("what colour is it ? answer :")
    # As the projector is tuned on it.
    assert list(request.head[0]) == chat.before("what colour\nis it ?")
    assert list(request.tail) == chat.behind("what colour\nis it ?")
    assert chat.answer("red") == [*tokens("red"), chat._model.end]
    two = chat.request(("what is", PICTURES[0], "colour", PICTURES[1]))
    texts = [tuple(tokens("question :")), tuple(tokens("what is")), tuple(tokens("colour"))]
    assert two == Request((*texts[:2], PICTURES[0], texts[2], PICTURES[1]), tuple(tokens("answer :")))


def test_a_language_model_without_a_chat_template_is_asked_in_plain_words(language_model):
    check_template("tiny", language_model)
    tokenizer = load_language_model(language_model, CPU).tokenizer
    assert with_template(tokenizer)
    assert not with_template(tokenizer)  # it has one now
    assert around_message(tokenizer) == ("Question:", "\nAnswer:")
    assert between_messages(tokenizer) == "Question:"


def test_a_chat_template_that_fails_is_refused_with_the_mend(chat_model, tmp_path):
    folder = shutil.copytree(chat_model, tmp_path / "broken")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('no') }}")
    with pytest.raises(
        UserError, match=r"languageModel tiny: its chat template fails .*chat_template\.jinja"
    ):
        check_template("tiny", folder)


@pytest.mark.parametrize(("new", "heads"), [(1, 2), (5, 2), (4, 6)])
def test_grouped_attention_gives_the_sums_of_repeated_keys_and_values(new, heads):
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(3, 6, new, 8, generator=generator)
    keys, values = torch.randn(2, 3, heads, 11, 8, generator=generator)
    mask = torch.rand(3, 1, new, 11, generator=generator) > 0.3
    mask[..., 0] = True
    out, _ = grouped_attention(SimpleNamespace(), query, keys, values, mask, scaling=0.3)
    repeated = [part.repeat_interleave(6 // heads, 1) for part in (keys, values)]
    weights = (query @ repeated[0].transpose(-1, -2) * 0.3).masked_fill(~mask, -torch.inf).softmax(-1)
    assert torch.allclose(out, (weights @ repeated[1]).transpose(1, 2), atol=1e-5)


def test_the_models_own_attention_is_back_after_the_answers(model):
    Generation(model, visual_of(model)).answer([Request(((2,), PICTURES[0]), (3,))], 2, lambda *_: None)
    assert model.model.config._attn_implementation == "sdpa"


def test_a_cache_grows_beyond_its_room_and_rows_can_be_left_out():
    states = torch.randn(2, 3, 1, 90, 4, generator=torch.Generator().manual_seed(0))
    layer = RoomyLayer(*states[..., :6, :].clone(), filled=5)
    for end in (6, 8, 90):
        keys, values = layer.update(*states[..., layer.get_seq_length() : end, :])
        assert torch.equal(keys, states[0, ..., :end, :])
        assert torch.equal(values, states[1, ..., :end, :])
    layer.batch_select_indices(torch.tensor([2, 0]))
    assert torch.equal(layer.keys, states[0, [2, 0]])
    assert layer.get_seq_length() == 90
