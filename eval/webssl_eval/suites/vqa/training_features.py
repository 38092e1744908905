"""Visual tokens of training images, by number: made at each use, or kept on scratch (and storage) between uses.

Both give equal numbers: what is kept is what is made, rounded to float16. A part of the cache is written under another name and
renamed, and its folder is named by all that its contents depend on, so a crash leaves no half part and nothing is ever stale.

Shape letters: B images, R and C rows and columns of the patch grid, P kept positions, V visual tokens, D width.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from webssl_trainer.data import BrokenSampleError, decode_image
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageNotFoundError, join

from webssl_eval.encoders import Encoder
from webssl_eval.features import ENCODE_BATCH, chunked
from webssl_eval.suites.vqa.training_set import TrainingSet
from webssl_eval.suites.vqa.visual_tokens import resized, squared

_THREADS = 8
_SUM = 32
Progress = Callable[[int, int], None]


class Encoding:
    """Features made by the encoder.

    Args:
        encoder: with a square grid of R x C patches.
        rows: names the images.
        storage: where they are.
        tokens: V.
        grid: R.
    """

    def __init__(self, encoder: Encoder, rows: TrainingSet, storage: Storage, tokens: int, grid: int) -> None:
        self._encoder: Encoder | None = encoder
        self._width, self._rows, self._storage = encoder.width, rows, storage
        self._tokens, self._grid = tokens, grid
        self._pool = ThreadPoolExecutor(_THREADS)

    @property
    def positions(self) -> int:
        """P."""
        return min(self._grid * self._grid, self._tokens)

    def release(self) -> None:
        """Let go of the encoder, whose memory the language model needs; only `tokens_of` works afterwards."""
        self._encoder = None

    def kept_form(self, images: Sequence[int]) -> NDArray[np.float16]:
        """What is kept of images, float16 (B, P, D).

        Raises:
            UserError: an image can not be decoded.
        """
        parts = []
        for chunk in chunked(zip(images, self._rows.read(self._storage, images), strict=True), ENCODE_BATCH):
            views = np.stack(list(self._pool.map(self._view, chunk)))
            assert self._encoder is not None, "the encoder was released"
            patches_BRCD = self._encoder.encode(torch.from_numpy(views)).patches
            grows = self._tokens > self._grid * self._grid
            kept = patches_BRCD.flatten(1, 2) if grows else resized(patches_BRCD, self._tokens)
            parts.append(kept.to(torch.float16).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self.positions, self._width), np.float16)

    def tokens_of(self, kept_BPD: NDArray[np.float16]) -> Tensor:
        """Visual tokens of what is kept, float32 (B, V, D)."""
        found = torch.from_numpy(kept_BPD.astype(np.float32))
        if not len(found):
            return torch.zeros(0, self._tokens, self._width)
        if self._tokens <= self._grid * self._grid:
            return found
        return resized(torch.unflatten(found, 1, (self._grid, self._grid)), self._tokens)

    def get(self, images: Sequence[int]) -> Tensor:
        """Visual tokens of images, float32 (B, V, D); each distinct one is encoded once a call."""
        distinct = sorted(set(images))
        place = {image: number for number, image in enumerate(distinct)}
        return self.tokens_of(self.kept_form(distinct)[[place[image] for image in images]])

    def _view(self, item: tuple[int, bytes]) -> NDArray[np.float32]:
        image, data = item
        assert self._encoder is not None
        try:
            return self._encoder.prepare(squared(np.asarray(decode_image(data))))
        except BrokenSampleError as error:
            place = self._rows.image_place(image)
            name = self._rows.row_of_image(image).image
            raise UserError(
                f"{place}: image {name} is broken ({error.reason}); replace it, or remove its rows"
            ) from error


class KeptFeatures:
    """Features in files of a folder. `fill` must have been called, by all processes between them.

    Args:
        encoding: makes what is missing.
        images: numbers of the images, rising.
        folder: local folder, named by all that the features depend on.
        size: images of a file.
        remote: storage and URL of a folder with the same files, to read and to write; None for none.
    """

    def __init__(
        self,
        encoding: Encoding,
        width: int,
        images: NDArray[np.int64],
        folder: Path,
        size: int,
        remote: tuple[Storage, str] | None = None,
    ) -> None:
        self._encoding, self._images, self._folder, self._size = encoding, images, folder, size
        self._remote = remote
        self._row = (encoding.positions, width)
        self._row_bytes = 2 * encoding.positions * width
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def parts(self) -> int:
        """Number of files."""
        return -(-len(self._images) // self._size)

    def fill(self, share: int, shares: int, progress: Progress) -> int:
        """Make every `shares`-th file from number `share` on, if it is not there; how many images were encoded."""
        mine = range(share, self.parts, shares)
        encoded = 0
        for done, part in enumerate(mine, start=1):
            if not self._is_there(part):
                data = self._fetched(part)
                if data is None:
                    data = self._encoding.kept_form(self._of(part).tolist()).tobytes()
                    encoded += len(self._of(part))
                    self._publish(part, data)
                self._write(part, data)
            progress(min(done * self._size * shares, len(self._images)), len(self._images))
        return encoded

    def get(self, images: Sequence[int]) -> Tensor:
        """Visual tokens of images, float32 (B, V, D)."""
        rows = np.searchsorted(self._images, np.asarray(images, dtype=np.int64))
        kept_BPD = np.empty((len(images), *self._row), dtype=np.float16)
        for place, row in enumerate(rows.tolist()):
            part, number = divmod(row, self._size)
            kept_BPD[place] = np.fromfile(
                self._path(part),
                np.float16,
                count=self._row_bytes // 2,
                offset=number * self._row_bytes,
            ).reshape(self._row)
        return self._encoding.tokens_of(kept_BPD)

    def _of(self, part: int) -> NDArray[np.int64]:
        return self._images[part * self._size : (part + 1) * self._size]

    def _path(self, part: int) -> Path:
        return self._folder / f"part-{part:06d}.f16"

    def _is_there(self, part: int) -> bool:
        path = self._path(part)
        return path.is_file() and path.stat().st_size == len(self._of(part)) * self._row_bytes

    def _write(self, part: int, data: bytes) -> None:
        fresh = self._folder / f".part-{part:06d}.{os.getpid()}"
        fresh.write_bytes(data)
        fresh.replace(self._path(part))

    def _fetched(self, part: int) -> bytes | None:
        """A file from storage, if it is there, whole and of the right size."""
        if self._remote is None:
            return None
        storage, url = self._remote
        try:
            data = storage.read(join(url, self._path(part).name))
        except StorageNotFoundError:
            return None
        body, checksum = data[:-_SUM], data[-_SUM:]
        right = (
            len(body) == len(self._of(part)) * self._row_bytes and hashlib.sha256(body).digest() == checksum
        )
        return body if right else None

    def _publish(self, part: int, data: bytes) -> None:
        if self._remote is not None:
            storage, url = self._remote
            storage.put(join(url, self._path(part).name), data + hashlib.sha256(data).digest())


def moments(sample_NVD: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each of the D columns over all tokens of some images, float32 (D,) each."""
    flat = sample_NVD.double().flatten(0, 1)
    mean = flat.mean(0)
    spread = (flat.square().mean(0) - mean.square()).clamp(min=0).sqrt()
    return mean.float(), spread.float()
