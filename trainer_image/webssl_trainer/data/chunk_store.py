"""Chunks of objects in a folder of a local disk, that several processes of a node share.

Never more than `max_bytes` of files, those in the making included; never a chunk that is not whole; nothing that a killed
process leaves stays counted or kept. A chunk is written under another name, and gets its own only when it is whole; a
checksum behind it tells a file that lost its contents with the node. Files that are newer than the window in use are
never removed for others, so the oldest windows go first. Errors of the disk are counted, and never the caller's.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TROUBLES = ("full", "damaged", "disk")
"""Causes that keep a chunk out: no room, a file that was not whole, an error of the disk."""
_TAIL = struct.Struct("<4sIQ")
_MAGIC = b"wsc1"
_LOCK, _PART = "lock", "part-"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MOST_REMEMBERED = 200_000
_ROOM_LEFT = 0.9
"""What is removed at once, when room is needed, leaves this share: a look at all files is made seldom."""


class ChunkStore:
    """A bounded folder of chunks. Safe for several threads and processes, not across a fork.

    Args:
        folder: made if need be; nothing else may be in it.
        max_bytes: most bytes of all files.
        space: what the chunks belong to; another space sees none of these.

    Attributes:
        troubles: what went wrong so far, by cause (`TROUBLES`).

    Raises:
        OSError: the folder can not be used.
    """

    def __init__(self, folder: Path, max_bytes: int, space: str = "") -> None:
        self._folder, self._max, self._space = folder, max_bytes, space
        self._thread = threading.Lock()
        self._sound: set[tuple[str, int]] = set()
        self._parts, self._lock = 0, -1
        self.troubles: dict[str, int] = dict.fromkeys(TROUBLES, 0)
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        with self._alone():
            self._set_used(sum(size for _, _, size in self._files()))

    def __del__(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)

    def name(self, url: str, number: int) -> str:
        """File name of a chunk of an object."""
        return f"{hashlib.blake2b(f'{self._space} {url}'.encode(), digest_size=16).hexdigest()}-{number}"

    @property
    def used(self) -> int:
        """Bytes of all files, as counted; a killed process may have left it too high, until room is needed."""
        return int.from_bytes(os.pread(self._lock, 8, 0), "little")

    def read(self, name: str, start: int, end: int) -> bytes | None:
        """Bytes `[start, end)` of a chunk; None when it is not here, not whole, or shorter than that."""
        try:
            file = os.open(self._folder / name, os.O_RDONLY)
        except FileNotFoundError:
            return None
        except OSError:
            self._trouble("disk")
            return None
        try:
            found = os.fstat(file)
            if (name, found.st_ino) not in self._sound:
                if not _is_whole(file, found.st_size):
                    self.drop(name)
                    self._trouble("damaged")
                    return None
                self._remember(name, found.st_ino)
            return os.pread(file, end - start, start) if end <= found.st_size - _TAIL.size else None
        except OSError:
            self._trouble("disk")
            return None
        finally:
            os.close(file)

    def has(self, name: str, until: int) -> bool:
        """Whether a chunk is here; it then counts as needed until that time (see `put`)."""
        path = self._folder / name
        try:
            if path.stat().st_mtime < until:
                os.utime(path, (until, until))
        except OSError:
            return False
        return True

    def put(self, name: str, data: bytes | memoryview, until: int, now: int) -> bool:
        """Writes a chunk, or keeps the one of that name for longer (as `has`); False without room, or if the disk fails.

        Args:
            name: see `name`.
            data: the chunk.
            until: when it is no longer needed, in any count that rises.
            now: chunks whose `until` is not beyond this may be removed to make room.
        """
        if self.has(name, until):  # before making room, which might remove this very chunk
            return True
        size = len(data) + _TAIL.size
        part: tuple[int, Path] | None = None
        try:
            part = self._begin(size, now)
            if part is None:
                self._trouble("full")
                return False
            file, path = part
            if os.writev(file, [data, _TAIL.pack(_MAGIC, zlib.crc32(data), len(data))]) != size:
                raise OSError(errno.ENOSPC, "no room for all of it")
            os.utime(path, (until, until))
            with self._alone():
                if (self._folder / name).exists():
                    raise FileExistsError
                path.rename(self._folder / name)
                self._remember(name, os.fstat(file).st_ino)
        except FileExistsError:
            self._undo(part, size)
        except OSError as error:
            self._undo(part, size)
            self._trouble("full" if error.errno in _NO_ROOM else "disk")
            return False
        finally:
            if part is not None:
                os.close(part[0])
        return True

    def drop(self, name: str) -> None:
        """Removes a chunk, if it is here."""
        try:
            with self._alone():
                size = (self._folder / name).stat().st_size
                (self._folder / name).unlink()
                self._set_used(max(0, self.used - size))
        except OSError:
            return

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Holds a name against the other processes; False when one of them has it. Ends with its process."""
        file = -1
        try:
            try:
                file = os.open(self._folder / f"{_PART}claim-{name}", os.O_RDWR | os.O_CREAT, 0o600)
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            except OSError:
                mine = False
            yield mine
            if mine:
                (self._folder / f"{_PART}claim-{name}").unlink(missing_ok=True)
        finally:
            if file >= 0:
                os.close(file)

    def _begin(self, size: int, now: int) -> tuple[int, Path] | None:
        """A locked file of that size under a name of its own, within the bound; None when there is no room."""
        with self._alone():
            if self.used + size > self._max and not self._make_room(size, now):
                return None
            used = self.used
            self._set_used(
                used + size
            )  # before the file is there: a kill leaves too much counted, never too little
            self._parts += 1
            path = self._folder / f"{_PART}{os.getpid()}-{threading.get_ident()}-{self._parts}"
            file = -1
            try:
                file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                fcntl.flock(file, fcntl.LOCK_EX)
                os.ftruncate(file, size)  # whoever counts the files now counts all of it
            except OSError:
                if file >= 0:
                    os.close(file)
                path.unlink(missing_ok=True)
                self._set_used(used)
                raise
            return file, path

    def _make_room(self, size: int, now: int) -> bool:
        """Removes what is over, oldest first, and leftovers; whether `size` bytes fit then."""
        files = sorted(self._files(), key=lambda item: (item[1], item[0]))
        used = sum(found for _, _, found in files)
        goal = min(int(self._max * _ROOM_LEFT), self._max - size)
        for name, until, found in files:
            if used <= goal or until > now:
                break
            (self._folder / name).unlink(missing_ok=True)
            used -= found
        self._set_used(used)
        return used + size <= self._max

    def _files(self) -> list[tuple[str, float, int]]:
        """Name, `until` and bytes of all files; what killed processes left is removed. Only when alone."""
        found = []
        for entry in os.scandir(self._folder):
            if entry.name == _LOCK:
                continue
            try:
                state = entry.stat()
                if entry.name.startswith(_PART):
                    if self._is_left(entry.path):
                        os.unlink(entry.path)
                        continue
                    # Somebody writes it now; it counts, and stays.
                    found.append((entry.name, float("inf"), state.st_size))
                else:
                    found.append((entry.name, state.st_mtime, state.st_size))
            except FileNotFoundError:
                continue
        return found

    @staticmethod
    def _is_left(path: str) -> bool:
        """Whether nobody holds this file."""
        file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(file)
        return True

    def _undo(self, part: tuple[int, Path] | None, size: int) -> None:
        if part is None:
            return
        try:
            with self._alone():
                part[1].unlink(missing_ok=True)
                self._set_used(max(0, self.used - size))
        except OSError:
            return

    def _set_used(self, used: int) -> None:
        os.pwrite(self._lock, used.to_bytes(8, "little"), 0)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with self._thread:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _remember(self, name: str, inode: int) -> None:
        if len(self._sound) > _MOST_REMEMBERED:
            self._sound.clear()
        self._sound.add((name, inode))

    def _trouble(self, cause: str) -> None:
        self.troubles[cause] += 1


def _is_whole(file: int, size: int) -> bool:
    if size < _TAIL.size:
        return False
    data = os.pread(file, size, 0)
    magic, check, length = _TAIL.unpack(data[-_TAIL.size :])
    body = memoryview(data)[: -_TAIL.size]
    return bool(magic == _MAGIC and length == len(body) and check == zlib.crc32(body))
