"""Text without a language: PP-OCR's text detector says where text is, not what it says.

The detector (a DB network, Liao et al. 2020, differentiable binarization) gives each pixel a probability that it lies
in the shrunken middle of a line of text. Connected middles are lines; the lines themselves are larger by the offset
D = area * ratio / perimeter of that paper.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image
from webssl_api.curation import TextScorer

from webssl_trainer.curation.components import blobs
from webssl_trainer.curation.interface import Picture, Values
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

_VERSION = 1
_MODEL = ("rapidocr_onnxruntime", "models", "ch_PP-OCRv4_det_infer.onnx")
_STEP = 32
_PIXEL, _LINE = 0.3, 0.6
_UNCLIP = 1.6
_THINNEST = 3
_MEGA = 1e6


class TextDetector:
    """Columns text_area, text_boxes, text_density and text_length; see `webssl_trainer.curation.interface.Scorer`.

    text_area: share of the image that lines of text cover, 0 to 1. text_boxes: number of lines. text_density: lines per
    megapixel of the image as the detector sees it, that is at `side`, so that it does not depend on the file's resolution.
    text_length: sum over the lines of how many times longer than thick they are: about a number of wide letters.
    """

    name = "text"
    columns: Sequence[tuple[str, Any]] = (
        ("text_area", pa.float32()),
        ("text_boxes", pa.int32()),
        ("text_density", pa.float32()),
        ("text_length", pa.float32()),
    )
    batched = False

    def __init__(self, model: Path, side: int) -> None:
        data = model.read_bytes()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1  # images run side by side instead
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self.side: int | None = side
        self._side = side
        self.identity = {"version": _VERSION, "side": side, "model": hashlib.sha256(data).hexdigest()[:16]}

    def score(self, pictures: Sequence[Picture]) -> list[Values]:
        """See Scorer."""
        return [self._one(picture.image) for picture in pictures]

    def probabilities(self, image: Image.Image) -> NDArray[np.float32]:
        """Probability of text at each pixel of the image as the detector sees it, float32 (H, W)."""
        width, height = _seen_size(image.size, self._side)
        seen = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
        # channels as the network was trained, blue first; values to [-1, 1]
        pixels = np.asarray(seen, dtype=np.float32)[None, :, :, ::-1].transpose(0, 3, 1, 2) / 127.5 - 1.0
        found: NDArray[np.float32] = self._session.run(None, {self._input: np.ascontiguousarray(pixels)})[0][
            0, 0
        ]
        return found

    def _one(self, image: Image.Image) -> Values:
        values = self.probabilities(image)
        lines = blobs(values, _PIXEL)
        lines = lines.only((lines.mean >= _LINE) & (np.minimum(lines.width, lines.height) >= _THINNEST))
        offset = _UNCLIP * lines.width * lines.height / (2 * (lines.width + lines.height))
        grown = (lines.width + 2 * offset) * (lines.height + 2 * offset) / (lines.width * lines.height)
        sides = np.stack([lines.width, lines.height])
        area = min(1.0, float((lines.area * grown).sum()) / values.size)
        return {
            "text_area": area,
            "text_boxes": len(lines),
            "text_density": len(lines) / values.size * _MEGA,
            "text_length": float((sides.max(axis=0) / sides.min(axis=0)).sum()),
        }


def _seen_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height that the detector sees: the longer side at most `side`, both multiples of 32."""
    scale = min(1.0, side / max(size))
    width, height = (max(_STEP, round(length * scale / _STEP) * _STEP) for length in size)
    return width, height


def make(settings: TextScorer, _storage: Storage, _scratch: Path) -> TextDetector:
    """The scorer of `spec.scorers.text`.

    Raises:
        UserError: the package with the detector is not installed.
    """
    package = importlib.util.find_spec(_MODEL[0])
    if package is None or not package.submodule_search_locations:
        raise UserError("spec.scorers.text needs rapidocr-onnxruntime: install webssl-trainer[curation]")
    return TextDetector(Path(package.submodule_search_locations[0], *_MODEL[1:]), settings.side)
