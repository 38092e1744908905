"""Debian packages: which are missing, and their installation."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from ..commands import run
from ..errors import ClusterError
from .table import APT, Apt

SYSTEM_PATH = "/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin"


def find(entry: Apt) -> Path | None:
    """Where the program is, or None."""
    for place in entry.places:
        if Path(place).exists():
            return Path(place)
    found = shutil.which(entry.program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")
    return Path(found) if found and not entry.places else None


def missing_packages(entries: Iterable[Apt], locate: Callable[[Apt], Path | None] = find) -> list[str]:
    """The packages to install so that every program is there, each once, in order."""
    return list(dict.fromkeys(entry.package for entry in entries if locate(entry) is None))


def install(packages: list[str]) -> None:
    """Installs ``packages``.

    Raises:
        ClusterError: not root, not Debian, or the archive is not reached.
    """
    names = " ".join(packages)
    mend = f"install them yourself: {names}"
    if os.geteuid() != 0:
        raise ClusterError(f"system packages are missing and this is not root: {names}", mend)
    if not shutil.which("apt-get"):
        raise ClusterError(f"system packages are missing and there is no apt-get: {names}", mend)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env=quiet, mend=mend)
    # Debian's prometheus and containerd start a service of their own; a policy file keeps them down.
    policy = Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=quiet, mend=mend)
    finally:
        if made:
            policy.unlink(missing_ok=True)


def paths() -> dict[str, Path]:
    """Program name -> path, for the programs of the table that are there."""
    return {entry.program: found for entry in APT if (found := find(entry)) is not None}
