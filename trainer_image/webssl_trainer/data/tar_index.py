"""Where the members of a tar lie, from its headers alone: big members are jumped over, small ones read through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from webssl_trainer.data.tar_header import (
    BLOCK,
    TarDamageError,
    TarHeader,
    parse_header,
    parse_records,
    text,
)

_MOST_EXTENDED = 1 << 20
_JUMP_READ = 4096
ReadRange = Callable[[int, int], bytes]


@dataclass(frozen=True)
class TarMember:
    """A regular file in a tar: its name, and its data at bytes `[offset, offset + size)`."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class TarIndex:
    """What was found in a tar.

    Attributes:
        members: regular files whose data is all there, in file order.
        damage: why the rest could not be indexed; None for a whole archive.
        end: bytes up to which the archive was understood.
    """

    members: list[TarMember]
    damage: str | None
    end: int


@dataclass
class _Window:
    """Bytes of the file around the header being read."""

    read: ReadRange
    size: int
    request: int
    headers: int = 0
    start: int = 0
    data: bytes = b""

    def at(self, offset: int, length: int) -> bytes:
        """Bytes `[offset, offset + length)`.

        Raises:
            TarDamageError: the file ends before.
        """
        end = offset + length
        if end > self.size:
            raise TarDamageError(f"truncated: the file ends at byte {self.size}")
        if offset < self.start or end > self.start + len(self.data):
            self.start = offset
            self.data = self.read(offset, min(self.size, offset + max(length, self._next_read(offset))))
            if len(self.data) < length:
                raise TarDamageError(f"truncated: the file ends at byte {offset + len(self.data)}")
        return self.data[offset - self.start : end - self.start]

    def _next_read(self, offset: int) -> int:
        """Bytes to ask for at `offset`: much when headers come closer together than a request is worth."""
        if self.headers and offset / self.headers > self.request:
            return _JUMP_READ
        return 4 * self.request if self.headers > 16 else self.request


@dataclass
class _Extended:
    """Records that hold for the next header (or, from a global header, for all later ones)."""

    always: dict[str, str] = field(default_factory=dict)
    once: dict[str, str] = field(default_factory=dict)

    def take(self) -> dict[str, str]:
        records = {**self.always, **self.once}
        self.once = {}
        return records


def index_tar(read: ReadRange, size: int, request: int = 1 << 20) -> TarIndex:
    """Indexes a tar file by range reads (ustar, pax, and GNU long names).

    Args:
        read: gives the bytes `[start, end)` of the file; shorter only when the file ends earlier.
        size: size of the file in bytes.
        request: how many bytes are worth as much time as one more request.

    Returns:
        The members before the first damage, and what the damage is. Errors of `read` are passed on.
    """
    window = _Window(read, size, request)
    members: list[TarMember] = []
    at = 0
    extended = _Extended()
    try:
        while True:
            if at >= size:
                raise TarDamageError("truncated: no end-of-archive block" if at else "empty file")
            header = parse_header(window.at(at, BLOCK))
            window.headers += 1
            if header is None:
                return TarIndex(members, None, at)
            at = _step(window, at + BLOCK, header, extended, members)
    except TarDamageError as damage:
        return TarIndex(members, _explained(str(damage), at, window), at)


def _step(window: _Window, at: int, header: TarHeader, extended: _Extended, members: list[TarMember]) -> int:
    """Handles one header whose data starts at `at`; returns where the next header starts."""
    if header.kind in {"x", "X", "g", "L", "K"}:
        if header.size > _MOST_EXTENDED:
            raise TarDamageError(f"extended header of {header.size} bytes")
        data = window.at(at, header.size)
        if header.kind == "L":
            extended.once["path"] = text(data)
        elif header.kind == "g":
            extended.always.update(parse_records(data))
        elif header.kind != "K":
            extended.once.update(parse_records(data))
        return _padded(at + header.size)
    records = extended.take()
    size = _size(header, records)
    if header.kind == "S":
        at = _after_sparse_map(window, at)
    end = at + header.data_size(size)
    if end > window.size:
        raise TarDamageError(f"truncated: member {records.get('path', header.name)!r} ends at byte {end}")
    sparse = any(key.startswith("GNU.sparse") for key in records)
    if header.is_file and not sparse:
        members.append(TarMember(records.get("path", header.name), at, size))
    return _padded(end)


def _size(header: TarHeader, records: dict[str, str]) -> int:
    given = records.get("size")
    if given is None:
        return header.size
    if not given.isascii() or not given.isdigit():
        raise TarDamageError(f"bad pax size {given!r}")
    return int(given)


def _after_sparse_map(window: _Window, at: int) -> int:
    """Start of an old GNU sparse member's data, after its map; the member itself is not indexed."""
    more = window.at(at - BLOCK, BLOCK)[482]
    while more:
        more = window.at(at, BLOCK)[504]
        at += BLOCK
    return at


def _padded(offset: int) -> int:
    return (offset + BLOCK - 1) // BLOCK * BLOCK


def _explained(damage: str, at: int, window: _Window) -> str:
    if at == 0 and window.data[:2] == b"\x1f\x8b":
        return "gzip data, not a tar: shards must be uncompressed, so that samples can be read by range"
    return f"{damage} (indexed up to byte {at} of {window.size})"
