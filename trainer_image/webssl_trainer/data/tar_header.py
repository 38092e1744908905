"""One 512-byte header of a tar file, and the extended records that may precede it.

Source: POSIX.1-2001 `pax` interchange format (ustar and extended headers); GNU tar manual, "Basic tar format"
(long names, base-256 numbers).
"""

from __future__ import annotations

from dataclasses import dataclass

BLOCK = 512
_CHECKSUM = slice(148, 156)
_DATA_TYPES = {"0", "\0", "7"}
_SIZED_TYPES = _DATA_TYPES | {"L", "K", "x", "X", "g", "S"}


class TarDamageError(Exception):
    """The bytes are not a tar header; the text says why."""


@dataclass(frozen=True)
class TarHeader:
    """A parsed header.

    Attributes:
        name: as the header block itself has it (extended records may replace it).
        size: bytes of data that follow.
        kind: the type flag, one character.
    """

    name: str
    size: int
    kind: str

    @property
    def is_file(self) -> bool:
        """Whether this is a regular file with its plain data after the header."""
        return self.kind in _DATA_TYPES and not self.name.endswith("/")

    def data_size(self, size: int) -> int:
        """Bytes of data after the header, for a member of `size`; unknown types count as files (POSIX)."""
        linked = self.kind in {"1", "2", "3", "4", "5", "6"}
        return 0 if linked else size


def parse_header(block: bytes) -> TarHeader | None:
    """A header block; None for a block of zeros, which ends an archive.

    Raises:
        TarDamageError: bad checksum or number.
    """
    if not any(block):
        return None
    stored = _number(block[_CHECKSUM], "checksum")
    plain = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(plain)
    signed = unsigned - 256 * sum(1 for byte in plain if byte > 127)
    if stored not in {unsigned, signed}:
        raise TarDamageError("bad header checksum")
    size = _number(block[124:136], "size")
    if size < 0:
        raise TarDamageError(f"negative size {size}")
    name = text(block[:100])
    if block[257:263] == b"ustar\0" and block[345]:
        name = f"{text(block[345:500])}/{name}"
    return TarHeader(name, size, chr(block[156]))


def text(field: bytes) -> str:
    """A NUL-terminated field as text; bytes that are not UTF-8 stay visible as escapes."""
    return field.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def _number(field: bytes, what: str) -> int:
    if field[0] in {0x80, 0xFF}:
        value = int.from_bytes(field[1:], "big")
        return value if field[0] == 0x80 else value - 256 ** (len(field) - 1)
    digits = field.partition(b"\0")[0].strip()
    if not digits:
        return 0
    if not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise TarDamageError(f"bad {what} field {field!r}")
    return int(digits, 8)


def parse_records(data: bytes) -> dict[str, str]:
    """Records of a pax extended header: `LENGTH KEY=VALUE` lines.

    Raises:
        TarDamageError: a record does not have that form.
    """
    records: dict[str, str] = {}
    at = 0
    while at < len(data) and data[at]:
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        if not digits.isdigit():
            raise TarDamageError("bad pax record length")
        end = at + int(digits)
        body = data[space + 1 : end]
        if end > len(data) or end <= space + 1 or not body.endswith(b"\n") or b"=" not in body:
            raise TarDamageError("bad pax record")
        key, _, value = body[:-1].partition(b"=")
        records[key.decode("utf-8", "backslashreplace")] = value.decode("utf-8", "backslashreplace")
        at = end
    return records
