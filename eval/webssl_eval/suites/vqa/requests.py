"""Questions as the language model gets them, and the order in which they are answered. Pure; see `generation`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from webssl_eval.benchmarks.question import Part, Picture

Piece = tuple[int, ...] | Picture
"""Token numbers, or a picture that stands for its visual tokens."""


@dataclass(frozen=True)
class Request:
    """One question.

    Attributes:
        head: all up to the last picture; requests with equal heads share what the model makes of it.
        tail: token numbers behind it, at least one.
    """

    head: tuple[Piece, ...]
    tail: tuple[int, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The pictures, in order."""
        return tuple(piece for piece in self.head if not isinstance(piece, tuple))


def answering_order(requests: Sequence[Request]) -> list[int]:
    """Numbers of the requests in the order of answering: those of one head together, the longest first.

    Heads are sorted by their longest request, and requests by length within their head: neighbours are of like length, a head is
    read once, and a batch that is too large for the memory is met at the start.
    """
    longest: dict[tuple[Piece, ...], int] = {}
    first: dict[tuple[Piece, ...], int] = {}
    for number, request in enumerate(requests):
        longest[request.head] = max(longest.get(request.head, 0), len(request.tail))
        first.setdefault(request.head, number)

    def rank(number: int) -> tuple[int, int, int, int]:
        request = requests[number]
        return -longest[request.head], first[request.head], -len(request.tail), number

    return sorted(range(len(requests)), key=rank)


def request_of(parts: Sequence[Part], opening: tuple[int, ...], tokens: Sequence[tuple[int, ...]]) -> Request:
    """Parts as a request.

    Args:
        parts: of the prompt, texts and pictures.
        opening: token numbers before the first part.
        tokens: token numbers for each part, those behind the last one included; empty for pictures.
    """
    pieces: list[Piece] = [opening]
    for part, numbers in zip(parts, tokens, strict=True):
        pieces.append(numbers if isinstance(part, str) else part)
    last = max((place for place, piece in enumerate(pieces) if not isinstance(piece, tuple)), default=0)
    tail = [number for piece in pieces[last + 1 :] if isinstance(piece, tuple) for number in piece]
    return Request(tuple(pieces[: last + 1]), tuple(tail))
