"""Where named images lie, and their bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from webssl_trainer.data.fetch import fetch
from webssl_trainer.data.tar_index import TarMember, index_tar
from webssl_trainer.errors import UserError
from webssl_trainer.storage import ByteRange, Storage, StorageNotFoundError

from webssl_eval.images.refs import ImageRef

Located = dict[ImageRef, ByteRange]
_THREADS = 8
_HEADER_REQUEST = 1 << 18
_READ_AT_ONCE = 256


def locate(storage: Storage, wanted: Mapping[ImageRef, str]) -> Located:
    """The bytes of each image: shards are indexed by their headers, folders are listed; no image is read.

    Args:
        storage: where to look.
        wanted: images, each with the place that names it first (`questions.jsonl:7`), for errors.

    Raises:
        UserError: an image or shard does not exist.
    """
    shards = sorted({ref.url for ref in wanted if ref.member})
    folders = sorted({ref.url.rpartition("/")[0] for ref in wanted if not ref.member})
    with ThreadPoolExecutor(_THREADS) as pool:
        members = dict(zip(shards, pool.map(partial(_members, storage), shards), strict=True))
        listings = list(pool.map(storage.list_objects, folders))
    files = {info.url: ByteRange(info.url, 0, info.size) for listing in listings for info in listing}
    found: Located = {}
    for ref, place in wanted.items():
        where = members[ref.url].get(ref.member) if ref.member else files.get(ref.url)
        if where is None:
            raise UserError(f"{place}: image {ref} does not exist; upload it, or remove the line")
        found[ref] = where
    return found


def _members(storage: Storage, url: str) -> dict[str, ByteRange]:
    try:
        index = index_tar(
            lambda start, end: storage.read(url, start, end), storage.size(url), _HEADER_REQUEST
        )
    except StorageNotFoundError:
        return {}
    return {member.name.removeprefix("./"): _range(url, member) for member in index.members}


def _range(url: str, member: TarMember) -> ByteRange:
    return ByteRange(url, member.offset, member.offset + member.size)


def read_images(storage: Storage, located: Located, refs: Iterable[ImageRef]) -> Iterator[bytes]:
    """The bytes of images, in order, a few hundred in memory at a time.

    Raises:
        UserError: an image is gone or shorter than when it was located.
    """
    ordered = list(refs)
    for start in range(0, len(ordered), _READ_AT_ONCE):
        chunk = ordered[start : start + _READ_AT_ONCE]
        pieces = fetch(storage, [located[ref] for ref in chunk]).pieces
        for ref, data in zip(chunk, pieces, strict=True):
            if data is None:
                raise UserError(f"image {ref} changed while it was read; start the evaluation again")
            yield data
