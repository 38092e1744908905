"""What the text tower is matched with: one vector of the frozen encoder for each image, computed once and kept.

Shape letters: N images, D width of a reading (the encoder's, or twice it for CLS and mean patch).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from webssl_api.evaluation_zeroshot import Reading
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder, Features
from webssl_eval.features import stacked
from webssl_eval.suites.ahead import one_ahead
from webssl_eval.suites.zeroshot.captioned import Captioned, CaptionedImage

_FIELD = "spec.evaluation.suites.zeroshot.reading"
_LARGEST = float(np.finfo(np.float16).max)


def reading_of(features: Features, reading: Reading, encoder: str) -> Tensor:
    """The vectors of a batch, float32 (B, D).

    Raises:
        UserError: the encoder has no CLS token, or gives values that are not finite.
    """
    parts = []
    if reading is not Reading.MEAN:
        if features.cls.shape[-1] == 0:
            raise UserError(
                f"{_FIELD} {reading.value}: encoder {encoder} has no CLS token; write {Reading.MEAN.value}"
            )
        parts.append(features.cls)
    if reading is not Reading.CLS:
        parts.append(features.patches.mean(dim=(1, 2)))
    found = torch.cat(parts, dim=1)
    if not bool(torch.isfinite(found).all()):
        raise UserError(
            f"encoder {encoder} gives features that are not finite; its training diverged: evaluate another checkpoint"
        )
    return found


def fingerprint(encoder: Encoder, reading: Reading) -> str:
    """SHA-256 over what an encoder reads in two pictures of noise: another encoder, transform or side has another one."""
    side = encoder.resolution
    noise = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    found = reading_of(encoder.encode(stacked(encoder, list(noise))), reading, encoder.name)
    return hashlib.sha256(f"{side} {tuple(found.shape)}".encode() + found.numpy().tobytes()).hexdigest()


@dataclass(frozen=True)
class PairReadings:
    """Images that were read, with their captions.

    Attributes:
        keys: one for each image.
        captions: of each image, one or more.
        table: float16 (N, D) in a memory-mapped file.
        broken: images that could not be decoded. blank: images without a caption that says something. Neither is here.
        reason: of the first broken image, its name and why.
    """

    keys: list[str]
    captions: list[tuple[str, ...]]
    table: NDArray[np.float16]
    broken: int
    blank: int
    reason: str

    def __len__(self) -> int:
        return len(self.keys)

    def rows(self, wanted: NDArray[np.int64] | slice) -> Tensor:
        """Readings of some images, float32."""
        return torch.from_numpy(self.table[wanted].astype(np.float32))


def pair_readings(
    encoder: Encoder,
    pairs: Captioned,
    reading: Reading,
    scratch: Path,
    progress: Callable[[int, int], None],
) -> PairReadings:
    """The readings of all pairs; from the scratch folder when the same encoder has read the same pairs before.

    Raises:
        UserError: as `reading_of`.
    """
    identity = f"{pairs.digest} {reading.value} {fingerprint(encoder, reading)}"
    stem = scratch / f"readings-{hashlib.sha256(identity.encode()).hexdigest()[:32]}"
    table, told = stem.with_suffix(".npy"), stem.with_suffix(".json")
    if not told.exists():
        scratch.mkdir(parents=True, exist_ok=True)
        # Another process may read the same pairs here: each writes for itself, and what is told is moved last.
        with TemporaryDirectory(prefix="readings-", dir=scratch) as own:
            drafts = Path(own) / table.name, Path(own) / told.name
            _read(encoder, pairs, reading, *drafts, progress)
            for draft, place in zip(drafts, (table, told), strict=True):
                draft.replace(place)
    facts = json.loads(told.read_text(encoding="utf-8"))
    kept = np.load(table, mmap_mode="r")[: len(facts["keys"])]
    captions = [tuple(lines) for lines in facts["captions"]]
    return PairReadings(facts["keys"], captions, kept, facts["broken"], facts["blank"], facts["reason"])


def _read(
    encoder: Encoder,
    pairs: Captioned,
    reading: Reading,
    table: Path,
    told: Path,
    progress: Callable[[int, int], None],
) -> None:
    width = encoder.width * (2 if reading is Reading.BOTH else 1)
    rows = np.lib.format.open_memmap(table, mode="w+", dtype=np.float16, shape=(len(pairs), width))
    keys: list[str] = []
    captions: list[tuple[str, ...]] = []
    broken = blank = seen = 0
    reason = ""
    for chunk in one_ahead(pairs.chunks()):
        bad = [item for item in chunk if item.pixels is None]
        good = [item for item in chunk if item.pixels is not None and item.captions]
        reason = reason or "".join(f"{item.key} ({item.reason})" for item in bad[:1])
        broken += len(bad)
        blank += len(chunk) - len(bad) - len(good)
        seen += len(chunk)
        if good:
            found = _encoded(encoder, good, reading)
            rows[len(keys) : len(keys) + len(good)] = found
            keys += [item.key for item in good]
            captions += [item.captions for item in good]
        progress(seen, len(pairs))
    rows.flush()
    facts = {"keys": keys, "captions": captions, "broken": broken, "blank": blank, "reason": reason}
    told.write_text(json.dumps(facts, ensure_ascii=False), encoding="utf-8")


def _encoded(encoder: Encoder, images: list[CaptionedImage], reading: Reading) -> NDArray[np.float16]:
    views = stacked(encoder, [item.pixels for item in images if item.pixels is not None])
    found = reading_of(encoder.encode(views), reading, encoder.name)
    return found.clamp(-_LARGEST, _LARGEST).numpy().astype(np.float16)


def moments(readings: PairReadings) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each number of the readings, float32 (D,) each; a number that never changes has 1."""
    total = np.zeros(readings.table.shape[1])
    squares = np.zeros_like(total)
    for start in range(0, len(readings), 4096):
        part = readings.table[start : start + 4096].astype(np.float64)
        total += part.sum(axis=0)
        squares += np.square(part).sum(axis=0)
    mean = total / len(readings)
    spread = np.sqrt(np.maximum(squares / len(readings) - np.square(mean), 0))
    spread[spread <= 1e-3 * spread.max(initial=0)] = 1.0
    return torch.from_numpy(mean).float(), torch.from_numpy(spread).float()
