"""What of a manifest's data is part of a run's identity."""

from __future__ import annotations

from typing import Any

from webssl_api.run import WebSSLRun
from webssl_trainer.checkpoint.identity import identity_of

from tests.manifests.valid import valid_run


def identity(**data: Any) -> dict[str, Any]:
    run = valid_run()
    run["spec"]["data"].update(data)
    found = identity_of(WebSSLRun.parse(run).spec)
    return {name: value for name, value in found.items() if name.startswith("data.")}


def test_a_run_without_filter_and_mixture_has_the_identity_it_always_had() -> None:
    assert identity() == {"data.source": "s3://shards/{000..003}.tar", "data.seed": 0}


def test_filter_and_mixture_are_part_of_it_and_limits_and_places_of_indexes_are_not() -> None:
    table = {"table": "s3://scores/a.parquet", "where": "text_area > 0.2", "maxUnmatchedFraction": 0.5}
    more = {"source": "s3://more/0.tar", "weight": 2.0, "filter": table, "index": "s3://more/index"}
    assert identity(filter=table, weight=3.0, mix=[more], index="s3://shards/index", neighbours=8) == {
        "data.source": "s3://shards/{000..003}.tar",
        "data.seed": 0,
        "data.neighbours": 8,
        "data.filter.table": "s3://scores/a.parquet",
        "data.filter.where": "text_area > 0.2",
        "data.weight": 3.0,
        "data.mix[0].source": "s3://more/0.tar",
        "data.mix[0].weight": 2.0,
        "data.mix[0].filter.table": "s3://scores/a.parquet",
        "data.mix[0].filter.where": "text_area > 0.2",
    }
