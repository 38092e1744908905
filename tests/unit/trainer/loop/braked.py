"""`python -m webssl_trainer.launch` for tests, with a brake: what a test does amid a run must not be a race with its end.

From the step that the brake names on, each step waits for the brake's seconds, or until it is released. A process that is
asked to stop goes on at once.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

BRAKE = "WEBSSL_TEST_BRAKE"
"""File that holds a step and seconds; without it nothing is held up."""


def hold_up(step: int, loop: Any) -> None:
    """Wait as the brake says."""
    began, brake = time.monotonic(), Path(os.environ[BRAKE])
    while not loop._stop.requested:
        try:
            first, seconds = brake.read_text().split()
        except FileNotFoundError:
            return
        if step < int(first) or time.monotonic() - began > float(seconds):
            return
        time.sleep(0.02)


def run() -> int:
    """What the agent starts on every rank; the fork server finds it by its name."""
    from webssl_trainer.loop import entry
    from webssl_trainer.loop.train import TrainingLoop

    train_step = TrainingLoop._train_step

    def braked(loop: TrainingLoop, loader: Any) -> bool:
        hold_up(loop._session.step, loop)
        return train_step(loop, loader)

    TrainingLoop._train_step = braked  # type: ignore[method-assign]
    return entry.run()


def main() -> int:
    """The agent."""
    from webssl_trainer.launch import __main__ as launch

    from tests.unit.trainer.loop import braked

    start = launch.start_fork_server

    def start_and_brake() -> None:
        start()  # what is imported before it would be imported twice
        from webssl_trainer.loop import entry

        entry.run = braked.run

    launch.start_fork_server = start_and_brake
    return launch.main()


if __name__ == "__main__":
    sys.exit(main())
