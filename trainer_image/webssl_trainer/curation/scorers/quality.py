"""Size and quality, measured at one size so that the numbers of large and small images compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from PIL import Image
from webssl_api.curation import QualityScorer

from webssl_trainer.curation.interface import Picture, Values
from webssl_trainer.storage import Storage

_VERSION = 1
_COLOURLESS = 8
_NEAR_MODE = 4
_RATIO_MOST = 10000.0


class Quality:
    """Columns width, height, aspect, bytes, sharpness, grey, blank; see `webssl_trainer.curation.interface.Scorer`.

    width, height: pixels of the upright file. aspect: width / height. bytes: of the file. At a longer side of `side`
    pixels: sharpness, the variance of the Laplacian of luma (0 to 255), low for blurred images (Pech-Pacheco et al.
    2000); grey, share of pixels whose channels differ by at most 8; blank, share of pixels within 4 of the most frequent
    luma.
    """

    name = "quality"
    columns: Sequence[tuple[str, Any]] = (
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("aspect", pa.float32()),
        ("bytes", pa.int64()),
        ("sharpness", pa.float32()),
        ("grey", pa.float32()),
        ("blank", pa.float32()),
    )
    batched = False

    def __init__(self, side: int) -> None:
        self.side: int | None = side
        self._side = side
        self.identity = {"version": _VERSION, "side": side}

    def score(self, pictures: Sequence[Picture]) -> list[Values]:
        """See Scorer."""
        return [self._one(picture) for picture in pictures]

    def _one(self, picture: Picture) -> Values:
        width, height = picture.size
        scale = min(1.0, self._side / max(picture.image.size))
        small = tuple(max(1, round(length * scale)) for length in picture.image.size)
        image = picture.image.resize((small[0], small[1]), Image.Resampling.BOX, reducing_gap=2.0)
        colours = np.asarray(image).astype(np.int16)
        luma = np.asarray(image.convert("L"))
        levels = np.bincount(luma.reshape(-1), minlength=256)
        mode = int(levels.argmax())
        return {
            "width": width,
            "height": height,
            "aspect": min(_RATIO_MOST, width / height),
            "bytes": len(picture.data),
            "sharpness": _laplacian_variance(luma.astype(np.float32)),
            "grey": float((colours.max(axis=2) - colours.min(axis=2) <= _COLOURLESS).mean()),
            "blank": float(levels[max(0, mode - _NEAR_MODE) : mode + _NEAR_MODE + 1].sum() / luma.size),
        }


def _laplacian_variance(luma: np.ndarray[Any, np.dtype[np.float32]]) -> float:
    """Variance of the four-neighbour Laplacian over the inner pixels of (H, W); 0 for images without inner pixels."""
    if min(luma.shape) < 3:
        return 0.0
    inner = luma[1:-1, 1:-1]
    around = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return float((around - 4 * inner).var())


def make(settings: QualityScorer, _storage: Storage, _scratch: Path) -> Quality:
    """The scorer of `spec.scorers.quality`."""
    return Quality(settings.side)
