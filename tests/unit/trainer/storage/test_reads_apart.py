"""Reads by a process of their own: the same bytes, errors, counts and log lines, and nothing is lost when it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from webssl_trainer.storage import (
    ByteRange,
    DirectStorage,
    FsspecStorage,
    ReadsApart,
    StorageDeniedError,
    StorageNotFoundError,
    StorageStoppedError,
    read_apart,
)

from tests.unit.trainer.storage.faulty_server import BODY, FaultyServer, fresh_storage_at, status, storage_at

URL = "s3://bucket/object"
LARGE = bytes(range(251)) * 20_000
LONG_ENOUGH = 300.0
"""Seconds after which a process that has not started, or ended, never will."""


@pytest.fixture
def storage(server: FaultyServer) -> DirectStorage:
    made = fresh_storage_at(server.url, "direct")
    assert isinstance(made, DirectStorage)
    return made


@pytest.fixture
def apart(storage: DirectStorage) -> Iterator[ReadsApart]:
    made = ReadsApart(storage)
    assert made.is_up(LONG_ENOUGH)
    yield made
    made.close()


def lives(process: int) -> bool:
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(process: int) -> bool:
    deadline = time.monotonic() + LONG_ENOUGH
    while lives(process) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not lives(process)


def test_the_bytes_are_those_of_the_storage_and_none_of_them_is_read_here(
    storage: DirectStorage, apart: ReadsApart
) -> None:
    ranges = [ByteRange(URL, *span) for span in ((10, 200), (0, 0), (4000, 5000), (9000, 9001), (5, 6))]
    assert apart.cat_ranges(ranges) == [BODY[10:200], b"", BODY[4000:], b"", BODY[5:6]]
    assert apart.cat_ranges([]) == []
    assert storage.direct_reads == 0
    assert apart.process not in {None, os.getpid()}


def test_short_and_long_reads_follow_each_other(server: FaultyServer, apart: ReadsApart) -> None:
    server.objects["/bucket/large"] = LARGE
    long = [
        ByteRange("s3://bucket/large", 7, 2_000_000),
        ByteRange("s3://bucket/large", 3_000_000, 6_000_000),
    ]
    whole = [LARGE[7:2_000_000], LARGE[3_000_000:]]
    for _ in range(2):
        assert apart.cat_ranges([ByteRange(URL, 3, 9)]) == [BODY[3:9]]
        assert apart.cat_ranges(long) == whole
        rooms = [memoryview(bytearray(3_000_000)) for _ in long]
        counts = apart.read_into(long, rooms)
        assert [bytes(room[:count]) for room, count in zip(rooms, counts, strict=True)] == whole


def test_what_came_stays_as_it_is_while_somebody_looks_and_its_memory_is_used_again(
    apart: ReadsApart,
) -> None:
    first = apart.cat_ranges([ByteRange(URL, 0, 900), ByteRange(URL, 50, 60)])
    whole = first[0]
    assert isinstance(whole, memoryview)
    assert whole.readonly
    part = whole[100:200]
    others = [apart.cat_ranges([ByteRange(URL, at, at + 900)])[0] for at in range(1, 4)]
    assert part == BODY[100:200]
    assert [bytes(other) for other in others] == [BODY[at : at + 900] for at in range(1, 4)]
    assert apart.spare_lines == 0
    del first, whole
    assert part == BODY[100:200]
    assert apart.spare_lines == 0
    del part
    assert apart.spare_lines == 1
    del others
    assert apart.spare_lines == 4
    assert apart.cat_ranges([ByteRange(URL, 7, 9)]) == [BODY[7:9]]
    assert apart.spare_lines == 4


def test_many_threads_read_at_once(apart: ReadsApart) -> None:
    def read(at: int) -> bool:
        return apart.cat_ranges([ByteRange(URL, at, at + 900)]) == [BODY[at : at + 900]]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(read, range(200)))


def test_errors_are_those_of_the_storage(server: FaultyServer, apart: ReadsApart) -> None:
    with pytest.raises(StorageNotFoundError, match="s3://bucket/none: not found"):
        apart.cat_ranges([ByteRange("s3://bucket/none", 0, 9)])
    server.faults = [status(403, "AccessDenied")]
    with pytest.raises(StorageDeniedError):
        apart.cat_ranges([ByteRange(URL, 0, 9)])
    assert apart.cat_ranges([ByteRange(URL, 0, 9)]) == [BODY[:9]]


def test_retries_are_counted_and_told_here(
    server: FaultyServer, storage: DirectStorage, apart: ReadsApart
) -> None:
    server.faults = [status(503, "SlowDown"), *[status(500, "InternalError")] * 20]
    with structlog.testing.capture_logs() as lines:
        assert apart.cat_ranges([ByteRange(URL, 0, 9)]) == [BODY[:9]]
    assert storage.retry_causes == {"server-error": 20, "throttled": 1}
    assert {(line["event"], line["log_level"]) for line in lines} == {("storage.retrying", "warning")}
    assert all(URL in line["what"] for line in lines)
    server.faults = [status(500, "InternalError")]
    apart.cat_ranges([ByteRange(URL, 0, 9)])
    assert storage.retry_causes == {"server-error": 21, "throttled": 1}


def test_a_read_that_is_stopped_ends_and_others_do_not(server: FaultyServer, apart: ReadsApart) -> None:
    asked, stop, release = threading.Event(), threading.Event(), threading.Event()

    def stall(_: object) -> None:
        asked.set()
        release.wait(LONG_ENOUGH)

    server.faults = [stall]
    with ThreadPoolExecutor(1) as threads:
        stopped = threads.submit(apart.cat_ranges, [ByteRange(URL, 0, 9)], stop)
        assert asked.wait(LONG_ENOUGH)
        stop.set()
        with pytest.raises(StorageStoppedError):
            stopped.result(LONG_ENOUGH)
    assert apart.cat_ranges([ByteRange(URL, 0, 9)]) == [BODY[:9]]
    release.set()


def test_when_the_process_is_killed_reads_go_on_here(storage: DirectStorage, apart: ReadsApart) -> None:
    assert apart.process is not None
    apart.cat_ranges([ByteRange(URL, 0, 9)])
    os.kill(apart.process, signal.SIGKILL)
    with structlog.testing.capture_logs() as lines:
        for at in range(3):
            assert apart.cat_ranges([ByteRange(URL, at, 9)]) == [BODY[at:9]]
    assert [line["event"] for line in lines] == ["storage.reading_process_ended"]
    assert storage.direct_reads == 3


def test_closing_ends_the_process_and_leaves_none_behind(apart: ReadsApart) -> None:
    assert apart.process is not None
    apart.close()
    assert not Path(f"/proc/{apart.process}").exists()
    apart.close()


def test_until_the_process_is_up_reads_are_made_here(
    storage: DirectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = tmp_path / "python"
    slow.write_text("#!/bin/sh\nexec sleep 600\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    apart = ReadsApart(storage)
    assert not apart.is_up()
    assert apart.cat_ranges([ByteRange(URL, 0, 9)]) == [BODY[:9]]
    assert storage.direct_reads == 1
    assert apart.process is not None
    apart.close()
    assert not lives(apart.process)


def test_few_reads_start_no_process_and_many_do(storage: DirectStorage) -> None:
    apart = ReadsApart(storage)
    for at in range(100):
        assert apart.cat_ranges([ByteRange(URL, at, 900)]) == [BODY[at:900]]
    assert apart.process is None
    beyond = ByteRange(URL, 9, 600 << 20)
    assert apart.cat_ranges([beyond]) == [BODY[9:]]
    assert apart.process is not None
    assert apart.is_up(LONG_ENOUGH)
    apart.close()


@pytest.mark.parametrize(("to_come", "started"), [(None, True), (1_000_000, True), (100, False)])
def test_of_many_reads_that_are_to_come_the_first_starts_the_process(
    storage: DirectStorage, to_come: int | None, started: bool
) -> None:
    apart = ReadsApart(storage, to_come)
    assert apart.process is None
    assert apart.cat_ranges([ByteRange(URL, 3, 9)]) == [BODY[3:9]]
    assert (apart.process is not None) is started
    apart.close()


def test_a_process_ends_with_the_one_that_started_it(server: FaultyServer) -> None:
    code = f"""
        import os
        from webssl_trainer.storage import ReadsApart
        from tests.unit.trainer.storage.faulty_server import storage_at
        apart = ReadsApart(storage_at({server.url!r}, "direct"))
        assert apart.is_up({LONG_ENOUGH})
        print(apart.process, flush=True)
        os.kill(os.getpid(), 9)
    """
    root = Path(__file__).resolve().parents[4]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, cwd=root
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert ends(int(done.stdout.split()[-1]))


def test_the_process_has_the_modules_of_this_one_whatever_the_folder(
    storage: DirectStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "structlog.py").write_text("raise RuntimeError('the wrong one')")
    monkeypatch.chdir(tmp_path)
    apart = ReadsApart(storage)
    assert apart.is_up(LONG_ENOUGH)
    apart.close()


def test_a_process_that_can_not_start_costs_nothing_but_itself(
    storage: DirectStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent")
    apart = ReadsApart(storage)
    with structlog.testing.capture_logs() as lines:
        assert not apart.is_up(LONG_ENOUGH)
        assert apart.cat_ranges([ByteRange(URL, 0, 9)]) == [BODY[:9]]
    assert [line["event"] for line in lines] == ["storage.reading_process_ended"]
    apart.close()


def test_local_objects_are_read_here(storage: DirectStorage, tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(BODY)
    apart = ReadsApart(storage)
    assert apart.cat_ranges([ByteRange(str(tmp_path / "object"), 3, 9)]) == [BODY[3:9]]
    assert apart.process is None
    apart.close()


def test_only_requests_of_this_program_are_made_apart(server: FaultyServer, storage: DirectStorage) -> None:
    class Other(DirectStorage):
        """It may do anything with what it reads."""

    assert read_apart(storage) is not None
    assert read_apart(FsspecStorage()) is None
    assert read_apart(storage_at(server.url, "fsspec")) is None
    assert read_apart(Other(storage.options)) is None
