"""Finding the stored index of a source, and the rows of it that are the source's shards."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from webssl_trainer.data.shards import expand_braces, unlisted
from webssl_trainer.data.store_format import FOLDER, ROW_SCHEMA, VERSION, rows_from_bytes
from webssl_trainer.data.stored_index import StoredIndex
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, StorageDeniedError, StorageNotFoundError, canonical, join

_SPECIAL = re.compile(r"[*?\[{]")
_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Current:
    """`current.json`: the newest catalogue of a folder, and its sums.

    Attributes:
        catalog: digest of the catalogue.
        shards, samples, image_bytes: sums over it; damaged shards are counted among the shards.
        damaged: shards that are missing or could not be read to their end.
    """

    version: int
    catalog: str
    shards: int
    samples: int
    image_bytes: int
    damaged: int


def default_folder(source: str) -> str:
    """Where the index of a source lies when nothing else is said: in a folder beside its shards."""
    plain = _SPECIAL.split(source, maxsplit=1)[0]
    return join(plain.rpartition("/")[0] or ".", FOLDER)


def read_current(storage: Storage, folder: str) -> Current | None:
    """The newest index of a folder; None when there is none.

    Raises:
        UserError: it is damaged, or of another version.
    """
    url = join(folder, "current.json")
    try:
        found = json.loads(storage.read(url))
        if found["version"] != VERSION:
            raise ValueError(f"version {found['version']} is not {VERSION}")
        return Current(**found)
    except StorageNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{url} is damaged ({error}): run webssl index again") from error


def find_store(
    storage: Storage, source: str | Sequence[str], folder: str | None = None
) -> StoredIndex | None:
    """The stored index of a source's shards; None when none was made.

    The shards are those of the index that the source names: a shard that was added since is not seen until the
    index is made again.

    Args:
        storage: where to look.
        source: see `expand_source`.
        folder: where the index is; None looks beside the shards.

    Raises:
        UserError: a folder was named and has no index, the index is damaged, or it has none of the shards.
    """
    given = folder is not None
    where = folder if folder is not None else default_folder(source if isinstance(source, str) else source[0])
    try:
        current = read_current(storage, where)
    except StorageDeniedError:
        # A store may answer so for what is not there; only a folder that was named must be readable.
        if given:
            raise
        current = None
    if current is None:
        if given:
            raise UserError(
                f"spec.data.index {where} has no index: write one with webssl index, or leave the field out"
            )
        return None
    rows = _catalog(storage, where, current.catalog)
    return StoredIndex(storage, where, _named_rows(storage, rows, source, where))


def _catalog(storage: Storage, folder: str, digest: str) -> pa.Table:
    url = join(folder, "catalogs", f"{digest}.arrow")
    try:
        return rows_from_bytes(storage.read(url))
    except (StorageNotFoundError, ValueError) as error:
        raise UserError(f"{url} is gone or damaged ({error}): run webssl index again") from error


def _named_rows(storage: Storage, rows: pa.Table, source: str | Sequence[str], folder: str) -> pa.Table:
    """The rows of the shards that a source names, by URL; those it names and the index lacks count as damage."""
    wanted, names = named_by(storage, source, rows["url"])
    found = rows.filter(wanted)
    if found.num_rows == 0:
        raise UserError(
            f"the index {folder} has none of the shards of spec.data.source {source!r}; run webssl index for it"
        )
    lacking = sorted(names - set(found["url"].to_pylist())) if names else []
    missing = [
        {
            **dict.fromkeys(ROW_SCHEMA.names, 0), "url": url, "size": -1, "version": "", "damage": "not in the index",
            "formats": [], "members": [], "part": "", "group_bytes": [], "group_checks": [],
        }
        for url in lacking
    ]  # fmt: skip
    if missing:
        found = pa.concat_tables([found, pa.Table.from_pylist(missing, schema=ROW_SCHEMA)])
    return found.sort_by("url")


def named_by(storage: Storage, source: str | Sequence[str], urls: Any) -> tuple[Any, set[str]]:
    """Which URLs of an Arrow column a source names, as a mask; and the URLs that it names without a glob."""
    names: set[str] = set()
    globs: list[str] = []
    for pattern in unlisted(storage, [source] if isinstance(source, str) else list(source)):
        for name in expand_braces(pattern):
            if _GLOB.search(name):
                globs.append(_regex(canonical(name)))
            else:
                names.add(canonical(name))
    wanted = pc.is_in(urls, value_set=pa.array(sorted(names), urls.type))
    if globs:
        wanted = pc.or_(wanted, pc.match_substring_regex(urls, "^(?:" + "|".join(globs) + ")$"))
    return wanted, names


def _regex(glob: str) -> str:
    """A glob as a regular expression over a whole URL: `**` crosses folders, `*` and `?` do not."""
    parts = []
    for piece in re.split(r"(\*\*|\*|\?|\[[^\]]*\])", glob):
        if piece.startswith("["):
            parts.append(piece.replace("[!", "[^", 1))
        else:
            parts.append({"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(piece, re.escape(piece)))
    return "".join(parts)
