"""One process of a run of two, in which one process meets pixels that are not finite."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import read_run, trainer_config
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.processes import join_processes
from webssl_trainer.loop.session import open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop
from webssl_trainer.storage import open_storage


def main(rank: int, run_file: Path, out: Path, port: int, bad_step: int) -> None:
    """Train; the second process's pixels are NaN at `bad_step`. Leaves exit code and a digest of the weights."""
    torch.set_num_threads(1)
    # The test keeps the store, as an agent does.
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= {"TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0"}
    processes = join_processes(rank, 2, rank)
    session = open_session(trainer_config(read_run(run_file)), processes, open_storage(), Seen())

    def spoilt(_module: torch.nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if rank != 1 or session.step != bad_step:
            return None
        images, *others = given
        return ([x * torch.nan for x in images], *others)

    session.objective.trained.register_forward_pre_hook(spoilt)
    code = TrainingLoop(session, Narrator(session, 1, None, None, None), StopRequest()).run()
    digest = hashlib.sha256()
    for module in session.objective.modules.values():
        for value in module.state_dict().values():
            digest.update(value.numpy().tobytes())
    (out / f"rank{rank}.json").write_text(json.dumps({"code": code, "weights": digest.hexdigest()}))
    dist.destroy_process_group()
