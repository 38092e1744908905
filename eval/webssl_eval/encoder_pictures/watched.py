"""An encoder that keeps the first pictures that a suite shows it, so that what it makes of them can be drawn afterwards.

It costs a suite nothing to be watched, and the drawing one pass over four pictures while the encoder is there: a report would have
to fetch all its weights for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor
from webssl_trainer.data import EvalTransform

from webssl_eval.encoder_pictures.drawing import encoder_picture
from webssl_eval.encoders import Encoder
from webssl_eval.encoders.around import Around

log = structlog.get_logger("webssl.eval")

PICTURE = "encoder.png"
COUNT = 4


@runtime_checkable
class Attentive(Protocol):
    """An encoder that can tell where it looks."""

    def attention(self, images: Tensor, /) -> Tensor:
        """Attention of the last block's class token to the patches of prepared views, float32 (B, H, R, C)."""
        ...


class Watched(Around):
    """An encoder, unchanged. seen: the first pictures of those that it prepared, uint8 (H, W, 3) each, no two equal."""

    def __init__(self, encoder: Encoder, count: int = COUNT) -> None:
        super().__init__(encoder)
        self._count = count
        self.seen: list[NDArray[np.uint8]] = []

    @property
    def inside(self) -> Encoder:
        """The encoder that is watched."""
        return self._encoder

    def prepare(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `Encoder.prepare`."""
        # Blank views, by which suites ask for shapes, show nothing.
        if (
            len(self.seen) < self._count
            and np.ptp(pixels)
            and not any(np.array_equal(pixels, old) for old in self.seen)
        ):
            self.seen.append(np.array(pixels))
        return self._encoder.prepare(pixels)


def picture_files(watched: Watched) -> dict[str, bytes]:
    """`encoder.png` by its name; nothing when the encoder saw no picture or cannot tell where it looks.

    Whatever goes wrong is logged and costs the picture, not the scores.
    """
    encoder = watched.inside
    if not watched.seen or not isinstance(encoder, Attentive):
        return {}
    try:
        return {PICTURE: _drawn(encoder, watched.seen)}
    except Exception as error:
        log.warning("eval.no_picture", error=f"{type(error).__name__}: {error}")
        return {}


def _drawn(encoder: Encoder, seen: Sequence[NDArray[np.uint8]]) -> bytes:
    views = torch.from_numpy(np.stack([encoder.prepare(pixels) for pixels in seen]))
    shown = EvalTransform(size=encoder.resolution)
    assert isinstance(encoder, Attentive)
    return encoder_picture(
        np.stack([shown.pixels(pixels) for pixels in seen]),
        encoder.encode(views).patches.numpy(),
        encoder.attention(views).numpy(),
        f"{encoder.name}: the first pictures that this suite showed it",
    )
