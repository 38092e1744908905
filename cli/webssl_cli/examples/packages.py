"""Packages as folders of files: downloaded by the ordinary clients, unpacked under a cache, never installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from uv import find_uv_bin

from webssl_cli.errors import CliError

_LIMIT = 600
"""Seconds for one download."""


def from_pypi(requirement: str, cache: Path) -> Path:
    """The files of a wheel, such as `easy-vqa==1.0`. Raises CliError."""

    def get(folder: Path) -> None:
        install = [find_uv_bin(), "pip", "install", "--python", sys.executable, "--no-deps", "--target"]
        _run([*install, str(folder), requirement], folder, f"see that uv can install {requirement}")

    return _once(cache / "pypi" / requirement.replace("==", "-"), get)


def from_debian(name: str, cache: Path) -> Path:
    """The files of a Debian package. Raises CliError."""

    def get(folder: Path) -> None:
        _run(["apt-get", "download", name], folder, "run `apt-get update` first, on Debian or Ubuntu")
        archive = next(folder.glob("*.deb"))
        _run(["dpkg-deb", "-x", str(archive), str(folder)], folder, "is dpkg installed?")
        archive.unlink()

    return _once(cache / "debian" / name, get)


def from_npm(name: str, version: str, cache: Path) -> Path:
    """The files of an npm package. Raises CliError."""

    def get(folder: Path) -> None:
        _run(["npm", "pack", "--silent", f"{name}@{version}"], folder, "install npm")
        archive = next(folder.glob("*.tgz"))
        # Python's own unpacking knows no filters before 3.11.4, and Debian 12 has 3.11.2; tar refuses paths that lead out.
        _run(["tar", "-xzf", str(archive), "-C", str(folder)], folder, "install tar")
        archive.unlink()

    return _once(cache / "npm" / f"{name}-{version}", get) / "package"


def _once(folder: Path, get: Callable[[Path], None]) -> Path:
    """The folder, filled by `get` when it is not there; a half-filled one is never seen under its name."""
    if not folder.is_dir():
        fresh = folder.with_name(f".{folder.name}.part")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        get(fresh)
        fresh.rename(folder)
    return folder


def _run(command: Sequence[str], folder: Path, mend: str) -> None:
    what = " ".join(command[:3])
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except FileNotFoundError as error:
        raise CliError(f"{command[0]} is not installed", mend) from error
    except subprocess.TimeoutExpired as error:
        raise CliError(
            f"`{what} ...` took longer than {_LIMIT} s", "check the network and try again"
        ) from error
    if done.returncode != 0:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-3:])
        raise CliError(f"`{what} ...` failed: {last}", mend)
