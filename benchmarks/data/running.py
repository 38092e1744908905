"""The processes that measure, told what to measure next."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "bench"
Figures = dict[str, float]
_TRIES = 4
_EPOCHS = 4
"""So many tell what an image costs without the start: the first one is taken off."""


class Arms(AbstractContextManager["Arms"]):
    """The arms' processes, which wait for what to measure next; see arms.py."""

    def __init__(self, python: str, names: Sequence[str], workers: int = 2) -> None:
        command = [python, str(ROOT / "benchmarks/data/arms.py")]
        environment = os.environ | {"BENCH_WORKERS": str(workers)}
        self.running = {
            name: subprocess.Popen(
                [*command, name, BUCKET],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                bufsize=1,
                env=environment,
            )
            for name in names
        }

    def run(
        self, arm: str, crops: str, recipe: str, samples: int, first: int = 0, images: int = 0
    ) -> Figures:
        """Figures of one epoch, or of the first `images` of it, or of its resumption at `first`."""
        process = self.running[arm]
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{crops} {recipe} {samples} {first} {images or samples}\n")
        line = process.stdout.readline()
        # Some loaders print to the same place.
        while line and not line.startswith("{"):
            line = process.stdout.readline()
        figures: Figures = json.loads(line or '{"error": "it ended"}')
        if "error" in figures:
            raise RuntimeError(f"{arm} {crops} {recipe}: {figures['error']}")
        return figures

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            if process.stdin is not None:
                process.stdin.close()
            process.wait(60)


def tried(arms: Arms, arm: str, crops: str, recipe: str, samples: int, first: int = 0) -> Figures:
    """An epoch of another loader, or its resumption, again if it fails: some versions read a shard while another worker still writes it."""
    for failed in range(_TRIES):
        try:
            return arms.run(arm, crops, recipe, samples, first) | {"failed_before": failed}
        except RuntimeError as error:
            sys.stderr.write(f"{arm} failed: {str(error).strip().splitlines()[-1]}\n")
    raise RuntimeError(f"{arm} failed {_TRIES} times")


def further(arms: Arms, arm: str, crops: str, samples: int, one: Figures) -> Figures:
    """Processor time and time of the clock of an image that does not pay for the start, in ms.

    Args:
        one: figures of one epoch.
    """
    more = arms.run(arm, crops, "same", samples, images=_EPOCHS * samples)
    images = more["images"] - one["images"]
    return {
        "further_ms": (more["processor_seconds"] - one["processor_seconds"]) / images * 1e3,
        "further_clock_ms": (more["seconds"] - one["seconds"]) / images * 1e3,
    }


def middle(values: list[float]) -> float:
    """Their median, to three places."""
    return round(statistics.median(values), 3)
