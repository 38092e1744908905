"""The rows that a stage learns from, on local disk: read once from question files or conversations, then by number.

A folder: `rows.jsonl`, its `offsets.npy` (int64, one more than rows), `images.npy` (int32, image number of each row, -1 for text
only), `first.npy` (int64, first row of each image), `where.npy` (int64, start and end of each image's bytes) and `set.json`. Memory
holds a few numbers for each row, whatever the rows hold; several processes open one folder.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, Storage, join

from webssl_eval.images import ImageRef, locate, read_images, ref_of
from webssl_eval.suites.vqa.conversations import Conversation, parsed_row
from webssl_eval.suites.vqa.json_rows import json_rows
from webssl_eval.suites.vqa.questions import parse_questions

LONGEST_PRIOR = 64
"""Characters of an answer that counts for the prior: longer ones are never the most frequent, and are too many to keep."""
_LOCATE_AT_ONCE = 100_000
_HASH = "S16"
_NO_IMAGE = bytes(16)


@dataclass(frozen=True)
class Source:
    """Where rows come from. url: of the file. images: folder that images are named from; None for that of the file."""

    url: str
    images: str | None = None

    @property
    def folder(self) -> str:
        """The folder that images are named from."""
        return self.images or self.url.rpartition("/")[0]


class TrainingSet:
    """Rows in a folder that `write_set` made. Images have numbers, in the order of their first mention."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        about = json.loads((folder / "set.json").read_text())
        self.url: str = about["url"]
        self.digest: str = about["digest"]
        """SHA-256 over the file, and the places and sizes of the images."""
        self.is_chat: bool = about["chat"]
        """Whether the rows are conversations, not single questions."""
        self._images_folder: str = about["imagesFolder"]
        self._offsets = np.load(folder / "offsets.npy", mmap_mode="r")
        self.images: NDArray[np.int32] = np.load(folder / "images.npy", mmap_mode="r")
        """Image number of each row; -1 for none."""
        self._first = np.load(folder / "first.npy", mmap_mode="r")
        self._where = np.load(folder / "where.npy", mmap_mode="r")
        self._rows = (folder / "rows.jsonl").open("rb")

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_count(self) -> int:
        """Distinct images."""
        return len(self._first)

    @cached_property
    def with_image(self) -> NDArray[np.int64]:
        """Numbers of the rows that have an image."""
        return np.flatnonzero(np.asarray(self.images) >= 0)

    def row(self, number: int) -> Conversation:
        """One row."""
        start, end = int(self._offsets[number]), int(self._offsets[number + 1])
        self._rows.seek(start)
        turns, image, turn = json.loads(self._rows.read(end - start))
        return Conversation(tuple((question, answer) for question, answer in turns), image, turn)

    def place(self, number: int) -> str:
        """A row as errors name it."""
        return f"{self.url.rpartition('/')[2]}, row {number + 1}"

    def row_of_image(self, image: int) -> Conversation:
        """The row that names an image first."""
        return self.row(int(self._first[image]))

    def image_place(self, image: int) -> str:
        """The row that names an image first, as errors name it."""
        return self.place(int(self._first[image]))

    def read(self, storage: Storage, images: Sequence[int]) -> Iterator[bytes]:
        """The bytes of images, in order.

        Raises:
            UserError: an image is gone or shorter than when the set was made.
        """
        located: dict[ImageRef, ByteRange] = {}
        refs = []
        for image in images:
            ref = ref_of(self._images_folder, self.row_of_image(image).image or "")
            start, end = self._where[image]
            located[ref] = ByteRange(ref.url, int(start), int(end))
            refs.append(ref)
        return read_images(storage, located, refs)

    def close(self) -> None:
        """Close the file of rows."""
        self._rows.close()


def write_set(storage: Storage, source: Source, folder: Path) -> tuple[TrainingSet, Counter[tuple[str, str]]]:
    """Read a file of questions or conversations and write its rows to a folder; also the counts of (kind, short answer).

    Raises:
        UserError: missing, empty or malformed file, or an image that does not exist; names row and mend.
    """
    folder.mkdir(parents=True)
    data_hash = hashlib.sha256()
    hashes, offsets = bytearray(), array("q", [0])
    counts, chat = Counter[tuple[str, str]](), False
    with (folder / "rows.jsonl").open("wb") as rows:
        for is_chat, kind, row in _rows_of(storage, source):
            chat |= is_chat
            line = json.dumps([row.turns, row.image, row.image_turn], ensure_ascii=False).encode() + b"\n"
            data_hash.update(line)
            offsets.append(offsets[-1] + rows.write(line))
            hashes += _NO_IMAGE if row.image is None else _hash(row.image)
            for _, answer in row.turns:
                if len(answer) <= LONGEST_PRIOR:
                    counts[kind, answer] += 1
    images, first = _numbered(np.frombuffer(hashes, dtype=_HASH))
    np.save(folder / "offsets.npy", np.frombuffer(offsets, dtype=np.int64))
    np.save(folder / "images.npy", images)
    np.save(folder / "first.npy", first)
    np.save(folder / "where.npy", np.zeros((len(first), 2), dtype=np.int64))
    about = {"url": source.url, "digest": "", "chat": chat, "imagesFolder": source.folder}
    (folder / "set.json").write_text(json.dumps(about))
    where = _located(storage, TrainingSet(folder), source.folder, first)
    np.save(folder / "where.npy", where)
    data_hash.update(where.tobytes() + source.folder.encode())
    (folder / "set.json").write_text(json.dumps({**about, "digest": data_hash.hexdigest()}))
    return TrainingSet(folder), counts


def _rows_of(storage: Storage, source: Source) -> Iterator[tuple[bool, str, Conversation]]:
    """Whether a row is a conversation, the kind of its answer, and the row."""
    url, name = source.url, source.url.rpartition("/")[2]
    with storage.open(url) as file:
        numbered = enumerate(json_rows(file, name), start=1)
        number, row = next(numbered, (0, None))
        if not number:
            raise UserError(
                f"{url} holds no row; write questions (id, image, question, answer) or conversations, one JSON object a line"
            )
        if not (isinstance(row, dict) and "conversations" in row):
            for question in parse_questions(storage.read(url), join(source.folder, name)):
                image = question.image
                yield False, question.kind, Conversation(((question.question, question.answer),), str(image))
            return
        while number:
            try:
                yield True, "", parsed_row(row)
            except ValueError as error:
                raise UserError(f"{name}, row {number}: {error}") from error
            number, row = next(numbered, (0, None))


def _hash(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()


def _numbered(hashes: NDArray[np.bytes_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Image number of each row by first mention, -1 for an empty hash; and the first row of each image."""
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    real = hashes[first] != b""
    order = np.argsort(np.where(real, first, len(hashes)), kind="stable")
    rank = np.empty(len(first), dtype=np.int32)
    rank[order] = np.arange(len(first), dtype=np.int32)
    rank[~real] = -1
    return rank[inverse.reshape(-1)].astype(np.int32), first[order][: int(real.sum())].astype(np.int64)


def _located(storage: Storage, rows: TrainingSet, folder: str, first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Start and end of the bytes of each image, int64 (images, 2); neighbours in a folder or shard are looked up together."""
    where = np.zeros((len(first), 2), dtype=np.int64)
    wanted: dict[ImageRef, list[int]] = {}  # several names may stand for one file: `a.png`, `./a.png`

    def look() -> None:
        found = locate(storage, {ref: rows.image_place(images[0]) for ref, images in wanted.items()})
        for ref, images in wanted.items():
            where[images] = found[ref].start, found[ref].end
        wanted.clear()

    for image, row in enumerate(first):
        try:
            ref = ref_of(folder, rows.row(int(row)).image or "")
        except ValueError as error:
            raise UserError(f"{rows.place(int(row))}: {error}") from error
        wanted.setdefault(ref, []).append(image)
        if len(wanted) >= _LOCATE_AT_ONCE:
            look()
    if wanted:
        look()
    return where
