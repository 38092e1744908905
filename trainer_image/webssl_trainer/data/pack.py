"""Packing images to tar shards at a URL (WebDataset layout), for demos, tests and small data sets."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from webssl_trainer.data.decode import BrokenSampleError, decode_image
from webssl_trainer.data.samples import IMAGE_EXTENSIONS
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, join, open_storage

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class PackItem:
    """One image to pack.

    Attributes:
        key: name of the sample, without a dot; slashes make folders in the tar.
        data: the image file as it is.
        ext: its extension, without a dot.
        label: class number, kept as `.cls`; None for none.
        caption: text, kept as `.txt`; None for none.
        meta: more facts, kept as `.json`; None for none.
    """

    key: str
    data: bytes
    ext: str
    label: int | None = None
    caption: str | None = None
    meta: dict[str, object] | None = None


def shard_bytes(items: Iterable[PackItem]) -> bytes:
    """A tar with the items: the same bytes for the same items, whenever and by whomever it is made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for item in items:
            for ext, data in _members(item):
                info = tarfile.TarInfo(f"{item.key}.{ext}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def _members(item: PackItem) -> Iterator[tuple[str, bytes]]:
    if "." in item.key.rpartition("/")[2] or not item.key:
        raise UserError(f"sample key {item.key!r} must be a name without a dot")
    yield item.ext, item.data
    if item.label is not None:
        yield "cls", str(item.label).encode()
    if item.caption is not None:
        yield "txt", item.caption.encode("utf-8")
    if item.meta is not None:
        yield "json", json.dumps(item.meta, sort_keys=True).encode("utf-8")


def pack(
    items: Iterable[PackItem],
    storage: Storage,
    target: str,
    samples_per_shard: int = 1000,
    total: int = 0,
    progress: Progress | None = None,
) -> list[str]:
    """Writes items, in order, to `{target}/000000.tar`, `{target}/000001.tar`, ...

    Args:
        items: what to pack.
        storage: where to.
        target: URL of the folder.
        samples_per_shard: samples in each shard but the last.
        total: number of items where known, for `progress`.
        progress: called with (items written, total).

    Returns:
        URLs of the shards.
    """
    urls: list[str] = []
    waiting: list[PackItem] = []
    written = 0

    def flush() -> None:
        nonlocal written
        url = join(target, f"{len(urls):06d}.tar")
        storage.put(url, shard_bytes(waiting))
        urls.append(url)
        written += len(waiting)
        waiting.clear()
        if progress is not None:
            progress(written, total or written)

    for item in items:
        waiting.append(item)
        if len(waiting) == samples_per_shard:
            flush()
    if waiting:
        flush()
    return urls


def folder_files(folder: Path) -> list[Path]:
    """Image files under a folder, recursively, sorted.

    Raises:
        UserError: there is none.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower().lstrip(".") in IMAGE_EXTENSIONS and path.is_file()
    )
    if not found:
        raise UserError(f"no image under {folder}; expected files ending in .jpg, .png, .webp, .gif ...")
    return found


def folder_items(
    folder: Path, labelled: bool = False, max_side: int = 0, files: Iterable[Path] | None = None
) -> Iterator[PackItem]:
    """Items of the images under a folder.

    Args:
        folder: where the images are; their paths below it become the keys.
        labelled: take the first sub-folder as the class; classes are numbered in sorted order.
        max_side: images with a longer side are shrunk to it and kept as PNG or JPEG, others stay as they are;
            0 leaves all as they are. An image that can not be read is packed as it is.
        files: the images; by default `folder_files(folder)`.
    """
    paths = list(files) if files is not None else folder_files(folder)
    names = sorted({path.relative_to(folder).parts[0] for path in paths}) if labelled else []
    numbers = {name: number for number, name in enumerate(names)}
    taken: set[str] = set()
    for path in paths:
        inner = path.relative_to(folder)
        key = unique(inner.with_suffix("").as_posix().replace(".", "_"), taken)
        label = numbers[inner.parts[0]] if labelled else None
        meta: dict[str, object] | None = {"class": inner.parts[0]} if labelled else None
        data, ext = shrunk(path.read_bytes(), path.suffix.lower().lstrip("."), max_side)
        yield PackItem(key, data, ext, label=label, meta=meta)


def unique(key: str, taken: set[str]) -> str:
    """`key`, or `key_2`, `key_3`, ... when it is taken; the result is added to `taken`."""
    name, number = key, 1
    while name in taken:
        number += 1
        name = f"{key}_{number}"
    taken.add(name)
    return name


def shrunk(data: bytes, ext: str, max_side: int) -> tuple[bytes, str]:
    """An image file whose longer side is at most `max_side` pixels, and its extension."""
    if max_side <= 0:
        return data, ext
    try:
        image = decode_image(data)
    except BrokenSampleError:
        return data, ext
    if max(image.size) <= max_side:
        return data, ext
    image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if ext in {"jpg", "jpeg"}:
        image.save(buffer, "JPEG", quality=92)
        return buffer.getvalue(), ext
    image.save(buffer, "PNG")
    return buffer.getvalue(), "png"


def main(arguments: list[str]) -> int:
    """`python -m webssl_trainer.data.pack FOLDER URL [SAMPLES_PER_SHARD] [labelled]`."""
    if len(arguments) < 2:
        sys.stderr.write(
            "usage: python -m webssl_trainer.data.pack FOLDER URL [SAMPLES_PER_SHARD] [labelled]\n"
        )
        return 2
    folder, target = Path(arguments[0]), arguments[1]
    count = int(arguments[2]) if len(arguments) > 2 else 1000
    items = folder_items(folder, labelled="labelled" in arguments[3:])
    for url in pack(items, open_storage(), target, count):
        sys.stdout.write(f"{url}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
