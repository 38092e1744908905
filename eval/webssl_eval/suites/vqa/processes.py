"""Tuning on all GPUs of an evaluation pod: several local processes under the trainer's own elastic launcher.

The launcher is that of training pods (rendezvous on a document, agent, fork server), with the document in a local file: a pod that
evaluates is alone, so nothing has to be agreed with other machines. More machines than one are not worth their trouble here, see
docs/design/0017-vqa-tuning.md: one node of eight GPUs is enough for the published recipe, and pods share the questions afterwards.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path

import structlog
import torch.distributed as dist
from torch.distributed.elastic.agent.server.api import WorkerSpec
from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
from torch.distributed.elastic.rendezvous import (
    RendezvousClosedError,
    RendezvousGracefulExitError,
    RendezvousParameters,
)
from webssl_api import exit_codes
from webssl_trainer.errors import UserError
from webssl_trainer.launch.agent import ElasticAgent, Grace
from webssl_trainer.launch.restarts import Next
from webssl_trainer.loop.exits import CRASH, exit_code_of
from webssl_trainer.loop.leash import tie_to_parent
from webssl_trainer.loop.processes import join_processes
from webssl_trainer.loop.progress_file import read_progress, write_progress
from webssl_trainer.observe import logs
from webssl_trainer.rendezvous import registry
from webssl_trainer.rendezvous.handler import BACKEND_NAME
from webssl_trainer.rendezvous.state import Progress

from webssl_eval.suites.vqa.stage import Course, EncoderAt, Stage
from webssl_eval.suites.vqa.steps import MemoryLackError
from webssl_eval.suites.vqa.tuning import run_stage

log = structlog.get_logger("webssl.eval")
_PROGRESS, _ORDER = "progress", "order.pickle"
_PRELOAD = [
    "webssl_trainer.loop.leash",
    "webssl_eval.suites.vqa.processes",
    "torch._dynamo",
    "transformers.models.auto.modeling_auto",
    "transformers.models.llama.modeling_llama",
]
"""What every process would import: the last three take seconds, and are imported by the first use else."""


@dataclass(frozen=True)
class Order:
    """What the processes are to do. It is pickled: an encoder is named by how it is made."""

    stage: Stage
    course: Course
    encoder_at: EncoderAt


def run_together(order: Order, count: int, stopped: threading.Event | None = None, poll: float = 0.2) -> None:
    """Run a stage in `count` processes of this machine, to its final state.

    A process that is lost, or meets a lack of memory that all must hear of, costs the steps since the last saved state: the
    round is formed again, up to three times without a step between.

    Raises:
        UserError: as `run_stage`, from whichever process met it first.
        RuntimeError: the processes crashed again and again, or were stopped.
    """
    with tempfile.TemporaryDirectory(prefix="tuning-", dir=order.course.scratch) as name:
        scratch = Path(name)
        (scratch / _ORDER).write_bytes(pickle.dumps(order))
        outcome = _supervised(scratch, count, stopped or threading.Event(), poll)
        reasons = [path.read_text() for path in sorted(scratch.glob("error-*"))]
    if outcome is Next.COMPLETE:
        return
    reason = reasons[0] if reasons else "a tuning process ended without saying why"
    if outcome is Next.USER_ERROR:
        raise UserError(reason)
    raise RuntimeError(reason)


def steps_done(scratch: Path) -> int:
    """Steps that the processes have done, by the file that they leave for their agent."""
    found = sorted(scratch.glob(f"tuning-*/{_PROGRESS}"))
    return read_progress(found[-1])[1] if found else 0


def _supervised(scratch: Path, count: int, stop: threading.Event, poll: float) -> Next | None:
    os.environ.setdefault("TORCH_ELASTIC_WORKER_IDENTICAL", "1")
    os.environ.setdefault("TORCHELASTIC_SIGNALS_TO_HANDLE", "SIGHUP")  # SIGTERM and SIGINT are the pod's own
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    forkserver.set_forkserver_preload(_PRELOAD)
    progress = scratch / _PROGRESS
    parameters = RendezvousParameters(
        backend=BACKEND_NAME,
        endpoint=(scratch / "rendezvous.json").as_uri(),
        run_id=scratch.name,
        min_nodes=1,
        max_nodes=1,
        local_addr="127.0.0.1",
        slot=0,
        node_name="evaluation",
        last_call=0.0,
        poll=poll,
    )
    handler = registry.create(parameters, progress=lambda: Progress(*read_progress(progress)), stop=stop)
    spec = WorkerSpec(
        role="tuning",
        local_world_size=count,
        entrypoint=run,
        args=(str(scratch),),
        rdzv_handler=handler,
        max_restarts=1_000_000_000,  # crashes in a row are counted by the agent
        monitor_interval=poll,
    )
    agent = ElasticAgent(
        spec, DefaultLogsSpecs(log_dir=str(scratch)), handler, progress, Grace(stop=5.0, leave=0.0), stop
    )
    try:
        return agent.supervise()
    except RendezvousClosedError:
        return Next.COMPLETE
    except RendezvousGracefulExitError as error:
        log.info("tuning.left", reason=str(error))
        return None
    finally:
        handler.shutdown()


def run(scratch: str) -> int:
    """One process: what the agent starts on every rank. Ends the process with the exit code; returns only when that is 0."""
    code = main(Path(scratch))
    sys.stdout.flush()
    sys.stderr.flush()
    if code != exit_codes.COMPLETE:
        # Threads may hang in collectives with peers that are gone, and nothing after this line is worth waiting for.
        os._exit(code)
    if dist.is_initialized():
        dist.destroy_process_group()
    return code


def main(scratch: Path) -> int:
    """Run the stage in the round that the environment describes; the exit code. The reason of a failure is left in a file."""
    tie_to_parent()
    rank, local = int(os.environ["RANK"]), int(os.environ["LOCAL_RANK"])
    logs.configure(os.environ.get("WEBSSL_LOG_LEVEL", "info"), rank=rank)
    error_file = scratch / f"error-{local}"
    error_file.unlink(missing_ok=True)
    order: Order = pickle.loads((scratch / _ORDER).read_bytes())
    try:
        processes = join_processes(rank, int(os.environ["WORLD_SIZE"]), local)
        tell = _teller(scratch / _PROGRESS) if local == 0 else lambda *_: None
        run_stage(order.stage, order.course, order.encoder_at, processes, _logged(rank), tell)
        processes.peers.barrier()
    except Exception as error:
        code = exit_codes.RETRY if isinstance(error, MemoryLackError) else exit_code_of(error)
        if code == CRASH:
            traceback.print_exc()
        log.error("tuning.process_failed", exit_code=code, error=f"{type(error).__name__}: {error}")
        error_file.write_text(str(error) if code != CRASH else traceback.format_exc())
        return code
    return exit_codes.COMPLETE


def _teller(path: Path) -> Callable[[int, int], None]:
    return lambda done, _: write_progress(path, 1, done)


def _logged(rank: int) -> Callable[[str, int, int], None]:
    from webssl_eval.progress import LoggedProgress

    return LoggedProgress() if rank == 0 else lambda *_: None
