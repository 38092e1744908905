"""Checkpoints that are to be scored outlive the pruning of a real run, and its reports say which they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from webssl_api import exit_codes
from webssl_api.evaluation_orders import ORDERS_KEY, EvaluationOrders
from webssl_api.reports import TrainingReport
from webssl_trainer.checkpoint.holds import Holds
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import read_run, trainer_config
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.session import open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop
from webssl_trainer.storage import open_storage

from tests.unit.trainer.loop.conftest import LocalRun

MAE = {"mae": {"decoder": {"width": 16, "depth": 1, "heads": 2}}}


class Reports:
    """All reports of an attempt."""

    def __init__(self) -> None:
        self.all: list[TrainingReport] = []

    def report(self, report: TrainingReport, urgent: bool = False) -> None:
        self.all.append(report)

    def flush(self, timeout: float) -> bool:
        return True


def test_due_checkpoints_of_a_run_stay_and_are_reported(local_run: Callable[..., LocalRun]) -> None:
    run = local_run(steps=22, objective=MAE)
    orders = run.run_file.with_name(ORDERS_KEY)
    orders.write_text(EvaluationOrders(every_samples=80).model_dump_json(by_alias=True))
    alone = Processes(torch.device("cpu"), None, Peers(), Peers())
    config = replace(trainer_config(read_run(run.run_file)), keep=1)
    session = open_session(config, alone, open_storage(), Seen())
    session.saver.holds = holds = Holds(session.storage, session.config.checkpoint_uri, orders, poll=0.05)
    reports = Reports()
    loop = TrainingLoop(session, Narrator(session, 1, reports, None, None), StopRequest())
    assert loop.run() == exit_codes.COMPLETE
    holds.close()
    assert [path.name for path in run.checkpoints()] == [f"step-{step:012d}" for step in (10, 20, 22)]
    told = [
        (one.checkpoint.step, one.checkpoint.samples, one.request) for one in reports.all[-1].held_checkpoints
    ]
    assert told == [(10, 80, ""), (20, 160, "")], (
        "steps 5 and 15 are no multiples, and the final one is scored anyway"
    )
    assert reports.all[-1].last_checkpoint is not None
    assert reports.all[-1].last_checkpoint.step == 22
