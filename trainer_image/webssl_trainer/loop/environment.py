"""What the agent tells a training process through its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from webssl_api import env as names

from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.loop.progress_file import read_progress

WORKERS = "GROUP_WORLD_SIZE"
SEEN_NAME = "seen"
"""File in the scratch folder, in the form of `progress_file`: the furthest step any agent saw completed."""
PICTURES = "WEBSSL_PICTURES"
"""`0`: no pictures beside the checkpoints."""
SCRATCH = "WEBSSL_SCRATCH"
"""Local folder of the agent and its processes."""


@dataclass(frozen=True)
class Environment:
    """One process's place in the round, and where its files and reports are."""

    run_file: Path
    report: str
    scratch: Path
    rank: int
    world: int
    local_rank: int
    workers: int
    seen: Seen
    metrics_port: int
    pictures: bool

    @property
    def progress_file(self) -> Path:
        """See `progress_file`."""
        return self.scratch / "progress"

    @property
    def error_file(self) -> Path:
        """Where this process leaves the reason of its end, for the agent."""
        return self.scratch / f"error-{self.local_rank}"


def read_environment(env: Mapping[str, str]) -> Environment:
    """The environment of a process that the agent started. A plain start without an agent is rank 0 of 1."""
    scratch = Path(env.get(SCRATCH) or "/tmp")
    return Environment(
        run_file=Path(env[names.RUN_FILE]),
        report=env.get(names.REPORT) or (scratch / "report.json").as_uri(),
        scratch=scratch,
        rank=int(env.get("RANK", "0")),
        world=int(env.get("WORLD_SIZE", "1")),
        local_rank=int(env.get("LOCAL_RANK", "0")),
        workers=int(env.get(WORKERS, "1")),
        seen=Seen(*read_progress(scratch / SEEN_NAME)),
        metrics_port=int(env.get(names.METRICS_PORT) or names.DEFAULT_METRICS_PORT),
        pictures=env.get(PICTURES, "1") != "0",
    )
