"""What a pod checks before it trains: mistakes of the user are told apart from faults that pass."""

from __future__ import annotations

from webssl_api.resolved import ResolvedRun

from webssl_trainer.checkpoint.claims import ClaimBoard
from webssl_trainer.config import TrainerConfig, trainer_config
from webssl_trainer.data import check_source
from webssl_trainer.errors import UserError
from webssl_trainer.rendezvous.policy import Limits, allowed_counts
from webssl_trainer.storage import Storage


def check_run(run: ResolvedRun) -> tuple[TrainerConfig, Limits]:
    """Settings and permitted round sizes of a run. Raises UserError naming the field."""
    config, workers = trainer_config(run), run.spec.workers
    allowed = allowed_counts(config.plan.global_batch, config.plan.group_size, workers.processes_per_worker)
    limits = Limits(workers.min, workers.max, allowed)
    if limits.largest(workers.max, None) == 0:
        raise UserError(
            f"spec.schedule.globalBatchSize {config.plan.global_batch} is not a multiple of workers x processesPerWorker "
            f"{workers.processes_per_worker} x groupSize {config.plan.group_size} for any worker count from {workers.min} to "
            f"{workers.max}: change the batch or the counts"
        )
    return config, limits


def check_storage(storage: Storage, config: TrainerConfig) -> None:
    """Data and checkpoint folder can be listed. Raises UserError (nothing there, denied), StorageUnavailableError (away)."""
    for source in config.sources:
        check_source(storage, source)
    ClaimBoard(storage, config.checkpoint_uri).keys()
