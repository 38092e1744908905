"""Real runs on this machine: agents as processes, a folder as bucket, a file as rendezvous."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from webssl_api.reports import TrainingReport
from webssl_trainer.checkpoint.discovery import effective_steps
from webssl_trainer.checkpoint.steplog import Record
from webssl_trainer.rendezvous.file import FileBackend
from webssl_trainer.storage import FsspecStorage

from tests.unit.trainer.loop import braked

_ROOT = Path(__file__).parents[4]


class LocalRun:
    """One run in a folder, and the agents that were started for it."""

    def __init__(self, folder: Path, data: Path, steps: int, workers: int, spec: dict[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.uri = (folder / "bucket").as_uri()
        self._agents: dict[int, subprocess.Popen[bytes]] = {}
        self._spec = {
            "model": {"size": "tiny", "patchSize": 14, "dropPath": 0.1},
            "objective": {
                "dino": {
                    "dinoHead": {"hiddenDim": 32, "bottleneckDim": 16, "prototypes": 64},
                    "ibotHead": {"hiddenDim": 32, "bottleneckDim": 16, "prototypes": 64},
                    "localCrops": 2,
                    "koleo": {"groupSize": 2},
                }
            },
            "data": {"source": f"file://{data}/*.tar", "seed": 3, "loaderThreads": 1},
            "schedule": {
                "stages": [{"resolution": 28, "localResolution": 14, "samples": 8 * steps}],
                "globalBatchSize": 8,
            },
            "optimizer": {"learningRate": 5e-4},
            "workers": {"min": 1, "max": workers, "template": {"terminationGracePeriodSeconds": 30}},
            "checkpoint": {"uri": self.uri, "interval": {"samples": 40}, "keep": 3},
            "logSampleIds": True,
            **spec,
        }
        self.run_file = folder / "run.yaml"
        self.run_file.write_text(
            yaml.safe_dump({"name": "local", "namespace": "default", "uid": "uid-1", "spec": self._spec})
        )
        self.rendezvous = folder / "rendezvous.json"
        self._brake = folder / "brake"

    def want(self, workers: int) -> None:
        """What the operator does in a cluster."""
        FileBackend(self.rendezvous).want(workers)

    def hold(self, step: int, seconds: float = 5.0) -> None:
        """Of agents that start from now on: from a step on each step waits so long, until `release`; see `braked`."""
        beside = self._brake.with_suffix(".new")
        beside.write_text(f"{step} {seconds}")
        beside.rename(self._brake)

    def release(self) -> None:
        """Let go on what is held."""
        self._brake.unlink()

    def start(self, slot: int, **env: str) -> None:
        """Start the agent of one worker."""
        module = braked.__name__ if self._brake.exists() else "webssl_trainer.launch"
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "",  # compiling torch anew in each process would take most of the time
            "PYTHONPYCACHEPREFIX": str(Path(tempfile.gettempdir()) / "webssl-test-pycache"),
            "WEBSSL_RUN_FILE": str(self.run_file),
            "WEBSSL_REPORT": (self.folder / "report.json").as_uri(),
            "WEBSSL_RENDEZVOUS": self.rendezvous.as_uri(),
            "WEBSSL_WORKER_ID": f"local-{slot}",
            "WEBSSL_METRICS_PORT": str(19400 + slot),
            "WEBSSL_SCRATCH": str(self.folder / "scratch"),
            "WEBSSL_TERMINATION_LOG": str(self.folder / f"termination-{slot}"),
            "JOB_COMPLETION_INDEX": str(slot),
            "WEBSSL_LAST_CALL": "120",  # a machine may be slow to start the second of two
            "WEBSSL_BEAT": "20",  # nobody is dead because it stood still for some seconds
            braked.BRAKE: str(self._brake),
            "WEBSSL_POLL": "0.3",
            **env,
        }
        with (self.folder / f"agent-{slot}.log").open("ab") as log:
            self._agents[slot] = subprocess.Popen(
                [sys.executable, "-m", module], env=environment, stdout=log, stderr=log, cwd=_ROOT
            )

    def kill(self, slot: int) -> None:
        """SIGKILL the agent; the kernel kills its training processes with it."""
        agent = self._agents.pop(slot)
        agent.kill()
        agent.wait()

    def terminate(self, slot: int) -> int:
        """SIGTERM the agent, as an eviction does; its exit code."""
        agent = self._agents.pop(slot)
        agent.send_signal(signal.SIGTERM)
        return agent.wait(300)

    def send(self, slot: int, number: signal.Signals) -> None:
        """Send the agent a signal."""
        self._agents[slot].send_signal(number)

    def wait(self, slot: int, seconds: float = 900) -> int:
        """Exit code of an agent that ends by itself."""
        return self._agents[slot].wait(seconds)

    def report(self) -> TrainingReport:
        """Rank 0's newest report; an empty one before the first."""
        path = self.folder / "report.json"
        return TrainingReport.model_validate_json(path.read_text()) if path.exists() else TrainingReport()

    def steps_logged(self) -> int:
        """Steps that rank 0 has logged so far, in all attempts."""
        return self.logs().count('"event": "step"')

    def progress(self) -> list[str]:
        """Attempt and step that each agent's processes have told it."""
        return [path.read_text() for path in self.folder.glob("scratch/webssl-*/progress")]

    def logs(self) -> str:
        """All that the agents and their processes have written."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("agent-*.log")))

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = 600) -> None:
        """Poll; fails with the logs when it takes too long."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                raise AssertionError(f"waited {seconds} s for: {what}\n{self.logs()[-8000:]}")
            time.sleep(0.05)

    def checkpoints(self) -> list[Path]:
        """Folders with a manifest."""
        return sorted(path.parent for path in self.folder.glob("bucket/checkpoints/*/*/manifest.json"))

    def steps(self) -> list[Record]:
        """The steps that count."""
        return effective_steps(FsspecStorage(), self.uri)

    def stop_all(self) -> None:
        for agent in self._agents.values():
            if agent.poll() is None:
                agent.kill()
                agent.wait()


@pytest.fixture(scope="session")
def image_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tar shards of small images; one of them is broken."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for shard in range(3):
        with tarfile.open(folder / f"{shard:03d}.tar", "w") as tar:
            for number in range(20):
                buffer = io.BytesIO()
                pixels = random.integers(0, 255, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(buffer, "PNG")
                data = b"no image" if (shard, number) == (1, 3) else buffer.getvalue()
                info = tarfile.TarInfo(f"{shard:03d}-{number:03d}.png")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return folder


@pytest.fixture(scope="module")
def local_run_factory(
    tmp_path_factory: pytest.TempPathFactory, image_shards: Path
) -> Iterator[Callable[..., LocalRun]]:
    """Makes runs by name; stops whatever is left of them."""
    runs: list[LocalRun] = []

    def make(name: str, steps: int = 20, workers: int = 2, **spec: Any) -> LocalRun:
        runs.append(LocalRun(tmp_path_factory.mktemp(name), image_shards, steps, workers, spec))
        return runs[-1]

    yield make
    for run in runs:
        run.stop_all()


@pytest.fixture
def local_run(local_run_factory: Callable[..., LocalRun]) -> Callable[..., LocalRun]:
    """Makes the run of one test."""
    return partial(local_run_factory, "run")
