"""The first process of a node: sets its private view of the file system up, then becomes a process reaper.

It runs in mount, process and network namespaces of its own, so that everything the node mounts or starts ends with
it: killing it is switching the node off.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def prepare(mounts: list[list[str]], switches: dict[str, str]) -> None:
    """Runs ``mount WORDS`` for each entry and writes each kernel switch (below /proc/sys) that exists."""
    for words in mounts:
        subprocess.run(["mount", *words], check=True)
    for name, value in switches.items():
        path = Path("/proc/sys") / name
        if path.exists():
            path.write_text(value)


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    prepare(settings["mounts"], settings["switches"])
    Path(settings["ready"]).touch()
    os.execv(settings["reaper"][0], settings["reaper"])


if __name__ == "__main__":
    main()
