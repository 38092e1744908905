"""`spec.data.cache` as the loader of a process gets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from webssl_api import env
from webssl_api.resolved import ResolvedRun
from webssl_api.run import WebSSLRun
from webssl_trainer.checkpoint.identity import identity_of
from webssl_trainer.config import TrainerConfig, trainer_config
from webssl_trainer.data import CacheSpec

from tests.manifests.valid import valid_run


def config_of(cache: dict[str, Any] | None, processes: int = 1) -> TrainerConfig:
    raw = valid_run()
    raw["metadata"] |= {"uid": "u"}
    raw["spec"]["data"] |= {} if cache is None else {"cache": cache}
    raw["spec"]["workers"]["processesPerWorker"] = processes
    return trainer_config(ResolvedRun.of(WebSSLRun.parse(raw)))


@pytest.mark.parametrize(
    ("asked", "processes", "expected"),
    [
        (None, 1, None),
        ({"size": "100Mi"}, 1, CacheSpec(Path(env.CACHE_MOUNT) / "blocks", 95 << 20, 0, 1)),
        ({"size": "20Gi", "path": "/nvme/a"}, 4, CacheSpec(Path("/nvme/a/blocks"), 19 << 30, 0, 4)),
    ],
)
def test_the_cache_takes_most_of_its_size_and_is_shared_by_the_processes_of_a_worker(
    asked: dict[str, Any] | None, processes: int, expected: CacheSpec | None
) -> None:
    assert config_of(asked, processes).cache == expected


def test_a_cache_may_come_and_go_within_a_run() -> None:
    raw = valid_run()
    without = identity_of(WebSSLRun.parse(raw).spec)
    raw["spec"]["data"]["cache"] = {"size": "10Gi"}
    assert identity_of(WebSSLRun.parse(raw).spec) == without
