"""Captions to tokens: bytes, CLIP's vocabulary, or any JSON file of the `tokenizers` library.

Shape letters: B captions, L tokens of the longest of them, at most the context.
"""

from __future__ import annotations

import gzip
import html
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import files as package_files
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from webssl_trainer.errors import UserError

if TYPE_CHECKING:  # imported where a vocabulary is asked for: it is of no use to other objectives
    import tokenizers

_ENDS = (("<|startoftext|>", "<|endoftext|>"), ("<s>", "</s>"), ("<bos>", "<eos>"), ("[CLS]", "[SEP]"))
# The 256 bytes, each once within a word and once at its end, are CLIP's first tokens; its merges follow.
_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Tokenizer(Protocol):
    """Captions of any length to tokens. vocabulary: number of different tokens."""

    @property
    def vocabulary(self) -> int: ...

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Tokens int64 (B, L), padded behind the end token, and the end token's place int64 (B,).

        A caption that is too long loses its end; every caption has a start and an end token.
        """
        ...


class ByteTokenizer:
    """UTF-8 bytes as tokens, for tests and for small models: 256 bytes, start, end."""

    vocabulary = 258

    def __init__(self, context: int) -> None:
        self._context = context

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `Tokenizer`."""
        return _laid_out([list(text.strip().encode("utf-8")) for text in texts], 256, 257, self._context)


class SubwordTokenizer:
    """A tokenizer of the `tokenizers` library between a start and an end token.

    Args:
        inner: the library's tokenizer.
        context: most tokens, start and end included.
        source: the setting and its value, for errors.
        clean: applied to each caption first.

    Raises:
        UserError: it has no start and end token by a known name.
    """

    def __init__(
        self, inner: tokenizers.Tokenizer, context: int, source: str, clean: Callable[[str], str] = str.strip
    ) -> None:
        inner.no_padding()
        inner.no_truncation()
        self._inner, self._context, self._clean = inner, context, clean
        for start, end in ((inner.token_to_id(first), inner.token_to_id(last)) for first, last in _ENDS):
            if start is not None and end is not None:
                self._start, self._end = start, end
                break
        else:
            raise UserError(
                f"{source}: it has no start and end token; add one of the pairs "
                + ", ".join(" ".join(pair) for pair in _ENDS)
            )

    @property
    def vocabulary(self) -> int:
        """Added tokens included."""
        return int(self._inner.get_vocab_size(with_added_tokens=True))

    def __call__(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """See `Tokenizer`."""
        clean = [self._clean(text) for text in texts]
        found = self._inner.encode_batch(clean, add_special_tokens=False)
        return _laid_out([one.ids for one in found], self._start, self._end, self._context)


def tokenizer_for(
    name: str, context: int, files: Mapping[str, bytes], setting: str = "spec.objective.clip.tokenizer"
) -> Tokenizer:
    """The tokenizer that a setting names.

    Args:
        name: `bytes`, `clip`, or a key of files.
        context: most tokens of a caption.
        files: JSON files of the `tokenizers` library.
        setting: where in the manifest the name stands, for errors.

    Raises:
        UserError: the file is not of that library, or has no start and end token.
    """
    if name == "bytes":
        return ByteTokenizer(context)
    if name == "clip":
        return SubwordTokenizer(clip_vocabulary(), context, f"{setting} {name}", clip_text)
    import tokenizers

    try:
        inner = tokenizers.Tokenizer.from_buffer(files[name])
    except Exception as error:  # the library raises plain exceptions
        raise UserError(f"{setting} {name} is no JSON file of the tokenizers library: {error}") from error
    return SubwordTokenizer(inner, context, f"{setting} {name}")


def clip_text(text: str) -> str:
    """A caption as CLIP reads it: composed characters, entities of HTML replaced (some are escaped twice), lower case."""
    composed = unicodedata.normalize("NFC", text)
    return html.unescape(html.unescape(composed)).strip().lower()


def clip_vocabulary() -> tokenizers.Tokenizer:
    """CLIP's byte-pair encoding of what `clip_text` gives: 49,408 tokens, from the merges in `vocabulary/`."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    merges = list(clip_merges())
    pieces = list(_byte_names())
    pieces += [piece + "</w>" for piece in pieces] + ["".join(pair) for pair in merges] + list(_ENDS[0])
    model = models.BPE(
        {piece: number for number, piece in enumerate(pieces)}, merges, end_of_word_suffix="</w>"
    )
    inner = Tokenizer(model)
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return inner


def clip_merges() -> Iterator[tuple[str, str]]:
    """The 48,894 merges, most frequent first."""
    packed = package_files("webssl_trainer.objectives.clip").joinpath("vocabulary/merges.txt.gz").read_bytes()
    for line in gzip.decompress(packed).decode("utf-8").splitlines():
        first, second = line.split(" ")
        yield first, second


def _byte_names() -> Iterator[str]:
    """The printable character that stands for each byte: itself where it is one, else one from 256 on.

    In CLIP's order: printable bytes first.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    yield from map(chr, printable)
    yield from (chr(256 + number) for number in range(256 - len(printable)))


def _laid_out(ids: Sequence[list[int]], start: int, end: int, context: int) -> tuple[Tensor, Tensor]:
    """Rows of start, tokens, end, padded with the end token to the longest row."""
    rows = [[start, *row[: context - 2], end] for row in ids]
    longest = max((len(row) for row in rows), default=2)
    tokens = torch.tensor([row + [end] * (longest - len(row)) for row in rows], dtype=torch.int64)
    return tokens.view(len(rows), longest), torch.tensor([len(row) - 1 for row in rows], dtype=torch.int64)
