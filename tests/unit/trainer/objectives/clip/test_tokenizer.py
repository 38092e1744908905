"""Captions to tokens."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import CLIPTokenizer
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.clip.tokenizer import (
    Tokenizer,
    clip_merges,
    clip_text,
    clip_vocabulary,
    tokenizer_for,
)

CONTEXT = 12
captions = st.lists(st.text(max_size=30), max_size=5)


@pytest.fixture(scope="module")
def clip() -> Tokenizer:
    return tokenizer_for("clip", CONTEXT, {})


@pytest.fixture(scope="module")
def reference() -> CLIPTokenizer:
    """The library's own CLIP tokenizer, given our vocabulary and merges."""
    return CLIPTokenizer(vocab=clip_vocabulary().get_vocab(), merges=list(clip_merges()))


def laid_out(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    tokens, last = tokenizer(texts)
    assert tokens.shape[0] == last.shape[0] == len(texts)
    return [row[: end + 1].tolist() for row, end in zip(tokens, last.tolist(), strict=True)]


@pytest.mark.parametrize("name", ["bytes", "clip"])
@settings(deadline=None)
@given(texts=captions)
def test_every_caption_has_a_start_and_an_end_and_fits(clip: Tokenizer, name: str, texts: list[str]) -> None:
    tokenizer = clip if name == "clip" else tokenizer_for(name, CONTEXT, {})
    tokens, last = tokenizer(texts)
    assert tokens.shape[1] <= CONTEXT
    start, end = tokenizer.vocabulary - 2, tokenizer.vocabulary - 1
    for row in laid_out(tokenizer, texts):
        assert (row[0], row[-1]) == (start, end)
        assert all(0 <= token < start for token in row[1:-1])
    for row, at in zip(tokens.tolist(), last.tolist(), strict=True):
        assert set(row[at:]) == {end}


@settings(deadline=None)
@given(text=st.text(max_size=30))
def test_bytes_say_the_caption_up_to_the_context(text: str) -> None:
    (row,) = laid_out(tokenizer_for("bytes", 200, {}), [text])
    assert bytes(row[1:-1]).decode("utf-8") == text.strip()
    (short,) = laid_out(tokenizer_for("bytes", CONTEXT, {}), [text])
    assert short[:-1] == row[: min(len(row), CONTEXT) - 1]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("a photo of a cat", [320, 1125, 539, 320, 2368]),
        ("A  Photo\nof a CAT ", [320, 1125, 539, 320, 2368]),
        ("", []),
    ],
)
def test_clip_s_tokens_are_the_published_ones(clip: Tokenizer, text: str, ids: list[int]) -> None:
    assert clip.vocabulary == 49408
    assert laid_out(clip, [text]) == [[49406, *ids, 49407]]


@settings(deadline=None, max_examples=300)
@given(text=st.text(st.characters(exclude_categories=["Cs", "Cn", "Co"]), max_size=20))
def test_clip_s_tokens_are_those_of_the_reference_library(
    clip: Tokenizer, reference: CLIPTokenizer, text: str
) -> None:
    # What stands between words is dropped by both; only Python's spaces count, as in CLIP's own code.
    (row,) = laid_out(clip, [text])
    expected = reference(clip_text(text), add_special_tokens=False)["input_ids"][: CONTEXT - 2]
    assert row[1:-1] == expected


def test_entities_of_html_are_read_even_when_they_were_escaped_twice(clip: Tokenizer) -> None:
    assert laid_out(clip, ["cats &amp; dogs", "cats &amp;amp; dogs"]) == laid_out(clip, ["cats & dogs"] * 2)


def test_a_caption_cannot_write_the_end_token(clip: Tokenizer) -> None:
    (row,) = laid_out(clip, ["a <|endoftext|> b"])
    assert row.count(49407) == 1


def test_a_file_of_the_tokenizers_library_is_read() -> None:
    url = "s3://bucket/tokenizer.json"
    mine = tokenizer_for(url, CONTEXT, {url: clip_vocabulary().to_str().encode()})
    clip = tokenizer_for("clip", CONTEXT, {})
    assert mine.vocabulary == clip.vocabulary
    assert laid_out(mine, ["a photo of a cat"]) == laid_out(clip, ["a photo of a cat"])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"{}", "is no JSON file of the tokenizers library"),
        (b"\xff\x00", "is no JSON file of the tokenizers library"),
        (
            b'{"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}',
            "has no start and end token; add one of the pairs <|startoftext|> <|endoftext|>",
        ),
    ],
    ids=["no tokenizer", "no JSON", "no start and end"],
)
def test_a_file_that_is_none_is_refused_by_its_name(data: bytes, says: str) -> None:
    with pytest.raises(UserError, match=rf"spec.objective.clip.tokenizer file:///x.json.*{re.escape(says)}"):
        tokenizer_for("file:///x.json", CONTEXT, {"file:///x.json": data})
