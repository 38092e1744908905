"""A labelled image set for evaluation, from shards, a folder of class folders, or an npz file."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from webssl_trainer.data.decode import BrokenSampleError, decode_image
from webssl_trainer.data.fetch import fetch
from webssl_trainer.data.index import DataIndex
from webssl_trainer.data.index_build import load_or_build_index
from webssl_trainer.data.samples import IMAGE_EXTENSIONS
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, Storage, canonical

_CHUNK = 64
_LABEL_EXTENSIONS = ("cls", "json")
_LABEL_FIELDS = ("label", "cls", "class")


@dataclass(frozen=True)
class LabelledImage:
    """One image: its id, RGB pixels as uint8 (H, W, 3), and its class number."""

    sample_id: str
    pixels: NDArray[np.uint8]
    label: int


@dataclass(frozen=True)
class LabelledSet:
    """Images with labels; the images are read when iterated, in a fixed order.

    Attributes:
        sample_ids: one per image.
        labels: int64 (N,), class numbers.
        class_names: name of each class by number (the number as text where there is no name).
        read: gives the images of a range of numbers; None for a broken one.
    """

    sample_ids: list[str]
    labels: NDArray[np.int64]
    class_names: list[str]
    read: Callable[[range], list[NDArray[np.uint8] | None]]

    def __len__(self) -> int:
        return len(self.sample_ids)

    def __iter__(self) -> Iterator[LabelledImage]:
        """All images in order; broken ones are left out."""
        for start in range(0, len(self), _CHUNK):
            numbers = range(start, min(len(self), start + _CHUNK))
            for number, pixels in zip(numbers, self.read(numbers), strict=True):
                if pixels is not None:
                    yield LabelledImage(self.sample_ids[number], pixels, int(self.labels[number]))


def open_labelled(storage: Storage, source: str, cache: str | None = None) -> LabelledSet:
    """A labelled set.

    Args:
        storage: where to look.
        source: shards (a `.tar` pattern or a `.txt` list) with `.cls` (a number or a name) or `.json` (with
            "label", "cls" or "class") members; or an `.npz` file with `images` uint8 (N, H, W[, 3]) and
            `labels` (N,); or a folder of class folders.
        cache: folder that keeps the index of shards; None keeps nothing.

    Raises:
        UserError: nothing there, or no labels.
    """
    if source.endswith(".npz"):
        return _from_npz(storage, source)
    if source.endswith((".tar", ".txt")):
        return _from_index(storage, load_or_build_index(storage, source, cache), source)
    return _from_folder(storage, source)


def numbered(names: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    """Class numbers and class names of labels as text: numbers stay numbers, names are numbered sorted."""
    if all(name.isascii() and name.isdigit() for name in names):
        numbers = np.array([int(name) for name in names], dtype=np.int64)
        return numbers, [str(number) for number in range(int(numbers.max(initial=-1)) + 1)]
    ordered = sorted(set(names))
    place = {name: number for number, name in enumerate(ordered)}
    return np.array([place[name] for name in names], dtype=np.int64), ordered


def _decoded(data: bytes | None) -> NDArray[np.uint8] | None:
    if data is None:
        return None
    try:
        return np.asarray(decode_image(data))
    except BrokenSampleError:
        return None


def _from_index(storage: Storage, index: DataIndex, source: str) -> LabelledSet:
    refs = [index.locate(number) for number in range(len(index))]
    labelled = []
    ranges = []
    for ref in refs:
        part = next((ref.extras[ext] for ext in _LABEL_EXTENSIONS if ext in ref.extras), None)
        if part is not None:
            labelled.append((ref, part.ext))
            ranges.append(ByteRange(ref.shard, part.offset, part.offset + part.length))
    if not labelled:
        raise UserError(f"no sample of {source} has a .cls or .json member; evaluation needs labels")
    pieces = fetch(storage, ranges).pieces
    names = [
        _label_text(data or b"", ext, ref.sample_id)
        for (ref, ext), data in zip(labelled, pieces, strict=True)
    ]
    labels, class_names = numbered(names)

    def read(numbers: range) -> list[NDArray[np.uint8] | None]:
        chosen = [labelled[number][0] for number in numbers]
        wanted = [ByteRange(ref.shard, ref.offset, ref.offset + ref.length) for ref in chosen]
        return [_decoded(data) for data in fetch(storage, wanted).pieces]

    return LabelledSet([ref.sample_id for ref, _ in labelled], labels, class_names, read)


def _label_text(data: bytes, ext: str, sample_id: str) -> str:
    text = data.decode("utf-8", "replace").strip()
    if ext == "cls":
        return text
    try:
        record = json.loads(text)
        return str(next(record[name] for name in _LABEL_FIELDS if name in record))
    except (ValueError, StopIteration, TypeError, KeyError) as error:
        raise UserError(f"{sample_id}.json has none of the fields {', '.join(_LABEL_FIELDS)}") from error


def _from_npz(storage: Storage, source: str) -> LabelledSet:
    with np.load(io.BytesIO(storage.read(source)), allow_pickle=False) as arrays:
        if not {"images", "labels"} <= set(arrays.files):
            raise UserError(f"{source} must hold arrays 'images' and 'labels', not {sorted(arrays.files)}")
        images, labels = arrays["images"], arrays["labels"].astype(np.int64)
    grey = images.ndim == 3
    if images.dtype != np.uint8 or len(images) != len(labels) or not (grey or images.shape[-1:] == (3,)):
        raise UserError(
            f"{source}: images must be uint8 (N, H, W) or (N, H, W, 3) with N labels, not {images.dtype} "
            f"{images.shape} with {labels.shape}"
        )

    def read(numbers: range) -> list[NDArray[np.uint8] | None]:
        chosen = images[numbers.start : numbers.stop]
        return list(np.repeat(chosen[..., None], 3, axis=-1) if grey else chosen)

    name = source.rpartition("/")[2]
    ids = [f"{name}/{number}" for number in range(len(images))]
    return LabelledSet(ids, labels, [str(n) for n in range(int(labels.max(initial=-1)) + 1)], read)


def _from_folder(storage: Storage, source: str) -> LabelledSet:
    root = canonical(source).rstrip("/")
    found: list[tuple[str, str, int]] = []
    for info in storage.list_objects(root):
        inner = info.url.removeprefix(root + "/")
        if "/" in inner and inner.rpartition(".")[2].lower() in IMAGE_EXTENSIONS:
            found.append((info.url, inner.partition("/")[0], info.size))
    if not found:
        raise UserError(
            f"no labelled images at {source}; expected shards (*.tar), an .npz file, or CLASS/IMAGE files"
        )
    labels, class_names = numbered([name for _, name, _ in found])

    def read(numbers: range) -> list[NDArray[np.uint8] | None]:
        wanted = [ByteRange(found[number][0], 0, found[number][2]) for number in numbers]
        return [_decoded(data) for data in fetch(storage, wanted).pieces]

    return LabelledSet([url.removeprefix(root + "/") for url, _, _ in found], labels, class_names, read)
