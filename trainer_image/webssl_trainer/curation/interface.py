"""What a scorer is: columns of the table, and a function from images to their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from PIL import Image

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Picture:
    """An image to score.

    Attributes:
        data: the file.
        image: RGB, upright; possibly smaller than the file says, see `Scorer.side`.
        size: upright width and height of the file, in pixels.
    """

    data: bytes
    image: Image.Image
    size: tuple[int, int]


class Scorer(Protocol):
    """One way to look at an image. Called from several threads at once, unless it is `batched`.

    Attributes:
        name: its name in `spec.scorers`.
        columns: Arrow fields (name, type) that it fills.
        side: longer side in pixels below which the image must not be shrunk; None for an image as large as its file.
        batched: whether it wants a whole batch at once, and only one at a time.
        identity: what its values depend on besides the image: settings, models, and a version of its code. As JSON.
    """

    name: str
    columns: Sequence[tuple[str, Any]]
    side: int | None
    batched: bool
    identity: Mapping[str, Any]

    def score(self, pictures: Sequence[Picture]) -> list[Values]:
        """The values of each picture's columns, in order."""
        ...
