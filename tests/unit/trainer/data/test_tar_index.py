"""The tar index against Python's tarfile, whole and truncated, and how much it reads."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from webssl_trainer.data.tar_index import TarIndex, index_tar

FORMATS = [tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]
LETTERS = st.text("abcdefgh0123._-é雪", min_size=1, max_size=30)
NAMES = st.lists(LETTERS, min_size=1, max_size=6).map("/".join)
KINDS = st.sampled_from(
    [tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE]
)
MEMBERS = st.lists(st.tuples(NAMES, KINDS, st.integers(0, 3000)), max_size=12)
GNU_LONG = st.booleans()


def tar_of(members: list[tuple[str, bytes, int]], fmt: int, long_names: bool = False) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=fmt) as tar:
        for number, (name, kind, size) in enumerate(members):
            if long_names and fmt != tarfile.USTAR_FORMAT:
                name = f"{'long' * 60}/{name}"
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = "elsewhere"
            data = bytes([number % 251]) * size
            if info.isreg():
                info.size = size
            try:
                tar.addfile(info, io.BytesIO(data))
            except ValueError:  # a name that ustar can not hold
                continue
    return buffer.getvalue()


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda start, end: data[start:end]


def expected(data: bytes) -> list[tuple[str, int, int]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return [(info.name, info.offset_data, info.size) for info in tar if info.isreg()]


def found(index: TarIndex) -> list[tuple[str, int, int]]:
    return [(member.name, member.offset, member.size) for member in index.members]


@settings(deadline=None)
@given(MEMBERS, st.sampled_from(FORMATS), GNU_LONG, st.sampled_from([512, 4096, 1 << 20]))
def test_the_index_is_what_tarfile_finds(
    members: list[tuple[str, bytes, int]], fmt: int, long_names: bool, request: int
) -> None:
    data = tar_of(members, fmt, long_names)
    index = index_tar(reader(data), len(data), request)
    assert index.damage is None
    assert found(index) == expected(data)


@settings(deadline=None)
@given(MEMBERS, st.sampled_from(FORMATS), GNU_LONG, st.data())
def test_a_tar_cut_at_any_byte_keeps_exactly_the_members_before_the_cut(
    members: list[tuple[str, bytes, int]], fmt: int, long_names: bool, data: st.DataObject
) -> None:
    whole = tar_of(members, fmt, long_names)
    cut = data.draw(st.integers(0, len(whole) - 1))
    index = index_tar(reader(whole[:cut]), cut, 4096)
    assert found(index) == [item for item in expected(whole) if item[1] + item[2] <= cut and item[1] <= cut]
    archive_end = index_tar(reader(whole), len(whole)).end
    assert (index.damage is None) == (cut >= archive_end + 512)


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_any_bytes_give_an_index_or_a_reason(data: bytes) -> None:
    index = index_tar(reader(data), len(data))
    assert index.damage is not None or index.members is not None


def test_a_flipped_header_byte_ends_the_index_with_its_place() -> None:
    data = bytearray(tar_of([("a.jpg", tarfile.REGTYPE, 100), ("b.jpg", tarfile.REGTYPE, 100)], FORMATS[0]))
    data[1024 + 3] ^= 0xFF
    index = index_tar(reader(bytes(data)), len(data))
    assert [member.name for member in index.members] == ["a.jpg"]
    assert index.damage == f"bad header checksum (indexed up to byte 1024 of {len(data)})"


def test_a_compressed_shard_says_so() -> None:
    index = index_tar(reader(b"\x1f\x8b" + b"x" * 2000), 2002)
    assert index.damage is not None
    assert "uncompressed" in index.damage


def test_an_empty_file_is_damaged() -> None:
    assert index_tar(reader(b""), 0).damage == "empty file (indexed up to byte 0 of 0)"


def test_members_over_eight_gigabytes_are_located() -> None:
    info = tarfile.TarInfo("big.jpg")
    info.size = 9 << 30
    for fmt in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        head = info.tobuf(fmt)
        total = len(head) + info.size + 1024

        def read(start: int, end: int, head: bytes = head) -> bytes:
            return (head[start:end]).ljust(min(end, start + (1 << 22)) - start, b"\0")

        index = index_tar(read, total)
        assert found(index) == [("big.jpg", len(head), info.size)]
        assert index.damage is None


@pytest.mark.parametrize(
    ("size", "count", "most_requests", "most_share"),
    [(3_000_000, 20, 30, 0.06), (2_000, 2_000, 8, 1.01)],
    ids=["big members are jumped over", "small members are read through"],
)
def test_reading_adapts_to_the_size_of_members(
    size: int, count: int, most_requests: int, most_share: float
) -> None:
    data = tar_of([(f"{n}.jpg", tarfile.REGTYPE, size) for n in range(count)], tarfile.USTAR_FORMAT)
    reads: list[int] = []

    def read(start: int, end: int) -> bytes:
        reads.append(min(end, len(data)) - start)
        return data[start:end]

    assert len(index_tar(read, len(data)).members) == count
    assert len(reads) <= most_requests
    assert sum(reads) <= most_share * len(data)
