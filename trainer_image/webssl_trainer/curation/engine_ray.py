"""The pass on Ray Data: the shards without a part are the data set, actors with open scorers write the parts.

With RAY_ADDRESS in the environment (a RayJob sets it) the cluster there is used; without, Ray is started on this machine:
on the loopback address, without a dashboard, and without usage reports.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from webssl_api.curation import WebSSLCurationSpec

from webssl_trainer.curation.counting import Count, check_bad
from webssl_trainer.curation.engine_threads import known_parts
from webssl_trainer.curation.opening import open_pass
from webssl_trainer.curation.parts import PartFacts, Parts
from webssl_trainer.curation.scoring import ShardScorer
from webssl_trainer.errors import UserError
from webssl_trainer.storage import StorageOptions, StorageUnavailableError, open_storage

# Ray reads these when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
if not os.environ.get("RAY_ADDRESS"):
    # Its name is of other systems, its effect is the same here: no address but the loopback's is ever taken, so that
    # nothing that is started listens on another one.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ["RAY_enable_metrics_collection"] = "0"  # noqa: SIM112 - Ray spells it so

import ray
import ray.data

_LOOPBACK = "127.0.0.1"
_STORE_BYTES = 128 << 20


class RaySession(AbstractContextManager["RaySession"]):
    """Ray for the time of a pass: a cluster's, or one on this machine with `workers` processors."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def __enter__(self) -> RaySession:
        if os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False, logging_level=logging.WARNING)
            return self
        ray.init(
            address="local",
            num_cpus=self._workers,
            num_gpus=None,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=_STORE_BYTES,
            _node_ip_address=_LOOPBACK,
        )
        return self

    def __exit__(self, *_: object) -> None:
        ray.shutdown()


@dataclass(frozen=True)
class _Work:
    """What an actor needs to open the pass by itself."""

    spec: str
    options: StorageOptions
    threads: int


class _Actor:
    """Scores one shard at a time; opened once, so models are loaded once."""

    def __init__(self, work: _Work) -> None:
        spec = WebSSLCurationSpec.model_validate_json(work.spec)
        storage = open_storage(work.options)
        self._parts = open_pass(storage, spec, Path(tempfile.gettempdir()))
        self._scorer = ShardScorer(
            self._parts, ThreadPoolExecutor(work.threads, "score"), spec.data.max_pixels
        )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        return {"told": [json.dumps(self._told(int(shard))) for shard in batch["item"]]}

    def _told(self, shard: int) -> dict[str, Any]:
        """The facts of the part, or why there is none: an error of ours is data here, so that it arrives as what it is."""
        try:
            facts = self._scorer.run(shard)
            assert facts is not None, "nothing stops an actor but its end"
            return asdict(facts)
        except UserError as error:
            return {"user_error": str(error)}
        except StorageUnavailableError as error:
            return {"unavailable": str(error)}


def score_with_ray(
    spec: WebSSLCurationSpec,
    parts: Parts,
    options: StorageOptions,
    workers: int,
    count: Count,
    stop: Callable[[], bool] = lambda: False,
    gpus: float = 0.0,
) -> bool:
    """Score the shards that have no part yet; False when it was stopped before the end. Inside a `RaySession`.

    Args:
        spec: the pass.
        parts: the pass, opened.
        options: how actors reach the storage.
        workers: actors that score at the same time.
        count: is told of every part.
        stop: asked after each part; parts that are being scored then are not waited for.
        gpus: that each actor needs.

    Raises:
        UserError: too many samples are bad, or an actor met an error of the user's.
        StorageUnavailableError: an actor's storage was gone for longer than it has patience.
    """
    shards = range(len(parts.index.shards))
    waiting: list[int] = []
    for shard, facts in known_parts(parts, shards):
        if facts is None:
            waiting.append(shard)
        else:
            count.add(facts, fresh=False)
    count.start()
    if not waiting:
        return True
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    actors = min(workers, len(waiting))
    # A cluster's workers may be large; on this machine there is an actor for each processor.
    threads = max(1, int(ray.cluster_resources().get("CPU", workers)) // workers)
    work = _Work(spec.model_dump_json(by_alias=True), options, threads)
    rows = ray.data.from_items(waiting, override_num_blocks=len(waiting)).map_batches(
        _Actor,
        fn_constructor_args=(work,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors),
        num_cpus=threads,
        num_gpus=gpus,
    )
    return _counted(rows.iter_rows(), parts, count, spec.max_bad_share, stop)


def _counted(rows: Any, parts: Parts, count: Count, max_bad_share: float, stop: Callable[[], bool]) -> bool:
    for row in rows:
        told = json.loads(row["told"])
        if "user_error" in told:
            raise UserError(told["user_error"])
        if "unavailable" in told:
            raise StorageUnavailableError(told["unavailable"])
        count.add(PartFacts(**told), fresh=True)
        check_bad(count.failures, len(parts.index), max_bad_share)
        if stop():
            return False
    return True


__all__: Sequence[str] = ("RaySession", "score_with_ray")
