"""Chunks on a local disk: bounded, whole, shared by processes, and no worse for a crash or a full disk."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from webssl_trainer.data import chunk_store
from webssl_trainer.data.chunk_store import ChunkStore

TAIL = 16
MOST = 1000


def contents(number: int, size: int) -> bytes:
    """Of another size, other bytes: what is shorter is not the beginning of what is longer."""
    return random.Random(number * 1_000_003 + size).randbytes(size)


def on_disk(folder: Path) -> int:
    return sum(entry.stat().st_size for entry in folder.iterdir() if entry.name != "lock")


class Store(RuleBasedStateMachine):
    """Against a dictionary: what is there is right, what is needed stays, and the bound holds."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name) / "chunks"
        self.store = ChunkStore(self.folder, MOST)
        self.known: dict[str, tuple[bytes, int]] = {}
        self.now = 0

    def teardown(self) -> None:
        self.home.cleanup()

    @rule(number=st.integers(0, 12), size=st.integers(1, 400), ahead=st.integers(0, 3))
    def put(self, number: int, size: int, ahead: int) -> None:
        name, data, until = self.store.name("u", number), contents(number, size), self.now + ahead
        if (self.folder / name).exists():
            kept, end = self.known[name]
            assert self.store.put(name, data, until, self.now)
            self.known[name] = (kept, max(end, until))
            assert self.store.read(name, 0, len(kept)) == kept
        elif self.store.put(name, data, until, self.now):
            self.known[name] = (data, until)
        else:
            needed = sum(len(kept) + TAIL for kept, end in self.known.values() if end > self.now)
            assert needed + size + TAIL > MOST

    @rule(number=st.integers(0, 12), ahead=st.integers(0, 3))
    def ask(self, number: int, ahead: int) -> None:
        name = self.store.name("u", number)
        if self.store.has(name, self.now + ahead):
            data, until = self.known[name]
            self.known[name] = (data, max(until, self.now + ahead))

    @rule(number=st.integers(0, 12), start=st.integers(0, 400), length=st.integers(0, 400))
    def read(self, number: int, start: int, length: int) -> None:
        name = self.store.name("u", number)
        found = self.store.read(name, start, start + length)
        if found is not None:
            data = self.known[name][0]
            assert start + length <= len(data)
            assert found == data[start : start + length]

    @rule(number=st.integers(0, 12))
    def drop(self, number: int) -> None:
        self.store.drop(self.store.name("u", number))
        self.known.pop(self.store.name("u", number), None)

    @rule(step=st.integers(1, 3))
    def time_goes_on(self, step: int) -> None:
        self.now += step

    @rule()
    def opened_again(self) -> None:
        self.store = ChunkStore(self.folder, MOST)

    @invariant()
    def no_more_bytes_than_allowed_and_all_of_them_counted(self) -> None:
        assert on_disk(self.folder) == self.store.used <= MOST

    @invariant()
    def what_is_needed_is_still_there(self) -> None:
        for name, (data, until) in self.known.items():
            if until > self.now:
                assert self.store.read(name, 0, len(data)) == data


TestStore = Store.TestCase
TestStore.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)


def test_the_oldest_windows_go_first(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "c", 20 * (50 + TAIL))
    for number in range(20):
        assert store.put(store.name("u", number), contents(number, 50), until=number + 1, now=0)
    assert not store.put(store.name("u", 20), contents(20, 50), until=21, now=0)
    assert store.troubles["full"] == 1
    assert store.put(store.name("u", 20), contents(20, 50), until=21, now=5)
    gone = [number for number in range(21) if store.read(store.name("u", number), 0, 50) is None]
    assert gone == [0, 1]  # one was enough for this chunk, two leave a tenth of the room


def test_another_space_does_not_see_them(tmp_path: Path) -> None:
    one, other = (ChunkStore(tmp_path / "c", 1000, space) for space in ("index-1", "index-2"))
    assert one.put(one.name("u", 0), b"abc", 1, 0)
    assert one.read(one.name("u", 0), 0, 3) == b"abc"
    assert other.read(other.name("u", 0), 0, 3) is None


@pytest.mark.parametrize("damage", ["shorter", "longer", "zeros", "flipped", "empty"])
def test_a_damaged_file_is_no_answer_and_is_removed(tmp_path: Path, damage: str) -> None:
    store = ChunkStore(tmp_path / "c", 10_000)
    name = store.name("u", 0)
    assert store.put(name, contents(0, 500), 1, 0)
    file = tmp_path / "c" / name
    data = bytearray(file.read_bytes())
    data = {
        "shorter": data[:-7], "longer": data + b"x", "zeros": bytearray(len(data)), "empty": bytearray(),
        "flipped": data[:100] + bytes([data[100] ^ 1]) + data[101:],
    }[damage]  # fmt: skip
    file.write_bytes(data)
    later = ChunkStore(tmp_path / "c", 10_000)
    assert later.read(name, 0, 10) is None
    assert later.troubles["damaged"] == 1
    assert not file.exists()
    assert later.put(name, contents(0, 500), 1, 0)
    assert later.read(name, 3, 300) == contents(0, 500)[3:300]
    assert later.used == on_disk(tmp_path / "c")


def test_threads_share_one_store(tmp_path: Path) -> None:
    store, most = ChunkStore(tmp_path / "c", 20 * 1016), 20 * 1016
    seen: list[int] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for turn in range(60):
            number = rng.randrange(40)
            name = store.name("u", number)
            store.put(name, contents(number, 1000), until=turn + 1, now=turn)
            found = store.read(name, 100, 900)
            assert found is None or found == contents(number, 1000)[100:900]
            seen.append(on_disk_now(tmp_path / "c"))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert max(seen) <= most
    assert store.used == on_disk(tmp_path / "c")


def on_disk_now(folder: Path) -> int:
    """As `on_disk`, while files come and go: never more than there was at one time."""
    total = 0
    for entry in list(folder.iterdir()):
        try:
            total += entry.stat().st_size if entry.name != "lock" and "part-" not in entry.name else 0
        except FileNotFoundError:
            continue
    return total


# The module by itself, without the rest of the package, which takes seconds to import.
ALONE = f"import sys; sys.path.insert(0, {str(Path(chunk_store.__file__).parent)!r}); from chunk_store import ChunkStore\n"
WORKER = """
import random
from pathlib import Path
folder, most, seed, turns = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
store, rng = ChunkStore(folder, most), random.Random(seed)
print("ready", flush=True)
for turn in range(turns):
    number = rng.randrange(30)
    name, data = store.name("u", number), random.Random(number).randbytes(20_000)
    with store.claim(name) as mine:
        if mine:
            store.put(name, data, turn + 1, turn)
    found = store.read(name, 5, 19_000)
    assert found is None or found == data[5:19_000], "wrong bytes"
"""


def started(folder: Path, most: int, seed: int, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ALONE + WORKER, str(folder), str(most), str(seed), str(turns)]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "ready\n"
    return worker


def test_processes_share_a_folder_and_killed_ones_leave_nothing(tmp_path: Path) -> None:
    folder, most = tmp_path / "c", 10 * 20_016
    store = ChunkStore(folder, most)
    workers = [started(folder, most, seed, 400) for seed in (1, 2)]
    victims = [started(folder, most, seed, 10**9) for seed in range(3, 9)]
    rng = random.Random(0)
    while any(worker.poll() is None for worker in workers):
        time.sleep(rng.random() / 10)
        if victims:
            victim = victims.pop()
            victim.send_signal(signal.SIGKILL)
            victim.wait()
        assert on_disk_now(folder) <= most
    for victim in victims:
        victim.kill()
        victim.wait()
    assert [worker.wait() for worker in workers] == [0, 0]
    after = ChunkStore(folder, most)
    assert not [entry.name for entry in folder.iterdir() if entry.name.startswith("part-")]
    assert after.used == on_disk(folder) <= most
    for number in range(30):
        found = after.read(after.name("u", number), 0, 20_000)
        assert found is None or found == random.Random(number).randbytes(20_000)
    assert after.troubles == {"full": 0, "damaged": 0, "disk": 0}
    assert store.put(store.name("u", 99), b"x" * 20_000, 10**6, 10**6 - 1)


def test_what_a_process_is_writing_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "c", 10_000)
    name = store.name("u", 0)
    with store.claim(name) as mine:
        assert mine
        other = ChunkStore(tmp_path / "c", 10_000)
        with other.claim(name) as theirs:
            assert not theirs
    with other.claim(name) as theirs:
        assert theirs


FULL = """
import resource, signal
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = ChunkStore(Path(sys.argv[1]), 10**9)
assert store.put(store.name("u", 0), b"a" * 50_000, 1, 0)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
assert not store.put(store.name("u", 1), b"b" * 200_000, 1, 0)
assert store.put(store.name("u", 2), b"c" * 50_000, 1, 0)
assert store.troubles == {"full": 1, "damaged": 0, "disk": 0}, store.troubles
assert store.read(store.name("u", 1), 0, 10) is None
assert store.used == 2 * 50_016, store.used
"""


def test_a_disk_that_takes_no_more_is_counted_and_leaves_nothing_behind(tmp_path: Path) -> None:
    # The kernel refuses the bytes of one process, as a full disk does those of all.
    done = subprocess.run(
        [sys.executable, "-c", ALONE + FULL, str(tmp_path / "c")], check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    assert on_disk(tmp_path / "c") == 2 * 50_016


def test_a_folder_that_vanishes_costs_the_cache_and_nothing_else(tmp_path: Path) -> None:
    store = ChunkStore(tmp_path / "c", 10_000)
    name = store.name("u", 0)
    assert store.put(name, b"abc", 1, 0)
    for entry in (tmp_path / "c").iterdir():
        entry.unlink()
    os.rmdir(tmp_path / "c")
    assert store.read(name, 0, 3) is None
    assert not store.has(name, 1)
    assert not store.put(name, b"abc", 1, 0)
    assert store.troubles["disk"] == 1
    store.drop(name)


def test_reading_goes_on_while_chunks_are_removed(tmp_path: Path) -> None:
    store, stop = ChunkStore(tmp_path / "c", 3 * 10_016), threading.Event()

    def churn() -> None:
        turn = 0
        while not stop.is_set():
            turn += 1
            store.put(store.name("u", turn % 7), contents(turn % 7, 10_000), turn + 1, turn)

    with ThreadPoolExecutor(1) as pool:
        churning = pool.submit(churn)
        for turn in range(500):
            found = store.read(store.name("u", turn % 7), 17, 9_000)
            assert found is None or found == contents(turn % 7, 10_000)[17:9_000]
        stop.set()
        churning.result()
