"""From `spec.data.source` to a sorted list of shards."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from webssl_trainer.errors import UserError
from webssl_trainer.storage import ObjectInfo, Storage, StorageNotFoundError, canonical, join

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_GLOB = re.compile(r"[*?\[]")
_LISTING_PAYS_FROM = 8


@dataclass(frozen=True)
class Shard:
    """A tar file of the data set.

    Attributes:
        url: its URL.
        size: bytes; -1 when a named shard does not exist.
        version: see `ObjectInfo.version`; not compared.
    """

    url: str
    size: int
    version: str = field(default="", compare=False)


def expand_braces(pattern: str) -> list[str]:
    """All names of a pattern with `{000..099}` (zero padded as written) and `{a,b}` parts, left to right.

    Raises:
        UserError: an unbalanced brace, or a brace part that is neither a range nor a list.
    """
    found = _BRACES.search(pattern)
    if found is None:
        if "{" in pattern or "}" in pattern:
            raise UserError(f"spec.data.source {pattern!r} has an unbalanced brace; write {{000..099}}")
        return [pattern]
    head, tail = pattern[: found.start()], pattern[found.end() :]
    tails = expand_braces(tail)
    return [head + part + rest for part in _brace_parts(found.group(1), pattern) for rest in tails]


def _brace_parts(body: str, pattern: str) -> list[str]:
    numbers = _RANGE.fullmatch(body)
    if numbers:
        first, last = numbers.groups()
        low, high = int(first), int(last)
        if low > high:
            raise UserError(f"spec.data.source {pattern!r}: the range {{{body}}} falls; swap its ends")
        width = len(first) if first.startswith("0") or len(first) == len(last) else 0
        return [f"{number:0{width}d}" for number in range(low, high + 1)]
    if "," in body:
        return body.split(",")
    raise UserError(
        f"spec.data.source {pattern!r}: {{{body}}} is neither a range like {{000..099}} nor {{a,b}}"
    )


def expand_source(storage: Storage, source: str | Sequence[str]) -> list[Shard]:
    """Shards of a source, without repeats, sorted by URL.

    Args:
        storage: where to look.
        source: a URL, a brace range, a glob, a `.txt` file with one of those per line (relative lines are
            relative to the file; `#` starts a comment), or a sequence of them.

    Returns:
        The shards; one that a range or list names but that does not exist has size -1.

    Raises:
        UserError: the pattern is malformed, or matches no shard at all.
    """
    patterns = [source] if isinstance(source, str) else list(source)
    found: dict[str, Shard] = {}
    named: list[str] = []
    for pattern in unlisted(storage, patterns):
        for name in expand_braces(pattern):
            if _GLOB.search(name):
                found.update((info.url, _shard(info)) for info in storage.glob(name))
            else:
                named.append(canonical(name))
    found.update(_named(storage, [url for url in named if url not in found]))
    if all(shard.size < 0 for shard in found.values()):
        raise UserError(
            f"no shard found for spec.data.source {source!r}; check the bucket, the folder and the pattern"
        )
    return [found[url] for url in sorted(found)]


def unlisted(storage: Storage, patterns: Sequence[str]) -> Iterator[str]:
    """Patterns with shard-list files replaced by their lines."""
    for pattern in patterns:
        if not pattern.endswith(".txt"):
            yield pattern
            continue
        folder = pattern.rpartition("/")[0] or "."
        for line in storage.read(pattern).decode("utf-8").splitlines():
            entry = line.partition("#")[0].strip()
            if entry:
                yield entry if "://" in entry or entry.startswith("/") else join(folder, entry)


def _named(storage: Storage, urls: Sequence[str]) -> dict[str, Shard]:
    """Shards of named objects; many in one folder cost one listing instead of one request each."""
    folders: dict[str, list[str]] = defaultdict(list)
    for url in urls:
        folders[url.rpartition("/")[0]].append(url)
    found: dict[str, Shard] = {}
    for folder, members in folders.items():
        if len(members) >= _LISTING_PAYS_FROM:
            listed = {info.url: _shard(info) for info in storage.list_objects(folder)}
            found.update((url, listed.get(url, Shard(url, -1))) for url in members)
        else:
            found.update((url, _shard_or_missing(storage, url)) for url in members)
    return found


def _shard(info: ObjectInfo) -> Shard:
    return Shard(info.url, info.size, info.version)


def _shard_or_missing(storage: Storage, url: str) -> Shard:
    try:
        return replace(_shard(storage.info(url)), url=url)
    except StorageNotFoundError:
        return Shard(url, -1)
