"""Folders of images as tar shards in the WebDataset layout: `key.jpg`, and beside it `key.cls`, `key.txt`, `key.json`."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from webssl_cli.errors import CliError

IMAGES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"})
COMPANIONS = (".txt", ".json", ".cls")
KIB = 1024
UNITS = {"": 1, "K": KIB, "M": KIB**2, "G": KIB**3}


@dataclass(frozen=True)
class Item:
    """One sample: its key, the image, further files with the same stem, and its class (None: not labelled)."""

    key: str
    image: Path
    companions: tuple[Path, ...] = ()
    label: int | None = None


@dataclass(frozen=True)
class Shard:
    """A finished shard: its file name, its bytes, and how many samples it holds."""

    name: str
    data: bytes
    samples: int


def find_items(folder: Path, *, labelled: bool = False) -> list[Item]:
    """The samples below a folder, sorted by path.

    Args:
        labelled: the first folder below `folder` is the class; classes are numbered in the order of their names.

    Raises:
        CliError: the folder holds no image, or an image lies in no class folder.
    """
    if not folder.is_dir():
        raise CliError(f"{folder}: no such folder", "name a folder of images")
    images = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGES and file.is_file())
    if not images:
        raise CliError(f"{folder}: holds no images", f"put files ending in {', '.join(sorted(IMAGES))} there")
    names = sorted({image.relative_to(folder).parts[0] for image in images}) if labelled else []
    return [_item(folder, image, names) for image in images]


def _item(folder: Path, image: Path, classes: Sequence[str]) -> Item:
    relative = image.relative_to(folder)
    if classes and len(relative.parts) < 2:
        raise CliError(
            f"{image}: lies in no class folder", "move it into FOLDER/CLASS/, or leave out --labels"
        )
    # WebDataset takes all up to the first dot for the key.
    key = "/".join((*relative.parts[:-1], relative.stem)).replace(".", "_")
    beside = tuple(file for end in COMPANIONS if (file := image.with_suffix(end)).is_file())
    return Item(key, image, beside, classes.index(relative.parts[0]) if classes else None)


def shards(items: Sequence[Item], prefix: str, shard_bytes: int) -> Iterator[Shard]:
    """Pack items in order; a shard is closed when it has reached `shard_bytes`. The same items give the same bytes."""
    for number, group in enumerate(_groups(items, shard_bytes)):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for name, data in (member for item in group for member in _members(item)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        yield Shard(f"{prefix}-{number:06d}.tar", buffer.getvalue(), len(group))


def _groups(items: Sequence[Item], shard_bytes: int) -> Iterator[list[Item]]:
    group, total = list[Item](), 0
    for item in items:
        group.append(item)
        total += sum(file.stat().st_size for file in (item.image, *item.companions))
        if total >= shard_bytes:
            yield group
            group, total = [], 0
    if group:
        yield group


def _members(item: Item) -> Iterator[tuple[str, bytes]]:
    yield item.key + item.image.suffix.lower(), item.image.read_bytes()
    for file in item.companions:
        if file.suffix != ".cls" or item.label is None:
            yield item.key + file.suffix, file.read_bytes()
    if item.label is not None:
        yield f"{item.key}.cls", str(item.label).encode()


def parse_size(text: str) -> int:
    """Bytes of `64M`, `64MiB`, `1G` or `1048576`. Raises CliError."""
    short = text.strip().upper().removesuffix("IB").removesuffix("B")
    number, unit = (short[:-1], short[-1]) if short[-1:] in UNITS and short else (short, "")
    if not number.isdigit() or int(number) == 0:
        raise CliError(f"size {text!r} is not a size", "write it like 64MiB")
    return int(number) * UNITS[unit]
