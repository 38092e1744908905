"""A data set is scored by pods, one of which is lost; its table decides what a run sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from webssl_api import GROUP, VERSION, labels
from webssl_api.curation import CURATION, PLURAL
from webssl_api.curation_status import CurationPhase, CurationStatus
from webssl_cli.demo.manifest import ROOT

from tests.e2e.lab import Lab
from tests.e2e.lab.curation import rows_of, status_of
from tests.e2e.lab.lab import wait_for
from tests.e2e.lab.manifests import storage_of, training_run

NAME = "scores"
STAMPS = f"{ROOT}/stamps/*.tar"
TABLE = f"{ROOT}/e2e/{NAME}"
COLOURFUL = "grey < 0.5 and blank < 0.9"


def _pass(lab: Lab) -> dict[str, Any]:
    template = {
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "3Gi"}},
        "env": [{"name": "OMP_NUM_THREADS", "value": "1"}],
    }
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "WebSSLCuration",
        "metadata": {"name": NAME, "namespace": lab.namespace},
        "spec": {
            "data": {"source": STAMPS, "storage": storage_of(lab.place)},
            "scorers": {"text": {"side": 224}, "quality": {}, "duplicates": {}},
            "output": {"uri": TABLE},
            "ranges": 2,
            "parallelism": 2,
            "template": template,
        },
    }


def _pods(lab: Lab) -> list[Any]:
    selector = f"{CURATION.label}={NAME},{labels.ROLE}={labels.ROLE_CURATION}"
    return list(lab.core.list_namespaced_pod(lab.namespace, label_selector=selector).items)


@dataclass(frozen=True)
class Curated:
    """The pass after its end, and its table. killed: uid of the pod that was taken away."""

    status: CurationStatus
    rows: list[dict[str, Any]]
    killed: str


@pytest.fixture(scope="module")
def curated(lab: Lab) -> Curated:
    """A pass of two pods that loses one of them."""
    for info in list(lab.storage.list_objects(TABLE)):
        lab.storage.delete(info.url)
    lab.create(PLURAL, _pass(lab))

    def working() -> Any:
        return next((pod for pod in _pods(lab) if pod.status.phase == "Running"), None)

    pod = wait_for(working, 120, "a running pod of the pass")
    lab.force_delete(pod.metadata.name)
    wait_for(
        lambda: status_of(lab, NAME).phase is CurationPhase.SUCCEEDED,
        300,
        "the table",
        lambda: status_of(lab, NAME),
    )
    status = status_of(lab, NAME)
    return Curated(status, rows_of(lab, status.table_uri), pod.metadata.uid)


def test_every_sample_has_one_row_although_a_pod_was_lost(lab: Lab, curated: Curated) -> None:
    assert curated.killed not in {pod.metadata.uid for pod in _pods(lab)}
    keys = [(row["shard"], row["key"]) for row in curated.rows]
    assert len(set(keys)) == len(keys) == curated.status.rows == curated.status.samples
    assert curated.status.shards_done == curated.status.shards_total > 2
    assert curated.status.percent == 100


def test_broken_images_have_rows_that_name_the_cause(curated: Curated) -> None:
    broken = [row for row in curated.rows if row["error"]]
    assert broken
    assert sum(curated.status.failures.values()) == len(broken)
    assert all(row["width"] is None or row["sharpness"] is None for row in broken)


def test_the_table_filters_a_run(lab: Lab, curated: Curated) -> None:
    """The run sees each chosen image once an epoch, and no other."""
    chosen = {
        _named(row) for row in curated.rows if not row["error"] and row["grey"] < 0.5 and row["blank"] < 0.9
    }
    assert 32 <= len(chosen) < len(curated.rows)
    run = training_run("curated", lab.namespace, lab.place, workers=(1, 1), steps=12, interval=12)
    run["spec"]["data"]["source"] = STAMPS
    run["spec"]["data"]["filter"] = {"table": curated.status.table_uri, "where": COLOURFUL}
    lab.apply(run)
    lab.until_done("curated", 300)
    seen = [one for step in lab.effective_steps("curated") for one in step["ids"]]
    assert len(seen) == 12 * 16
    assert set(seen) <= chosen


def test_what_is_read_sample_by_sample_is_read_by_a_process_of_its_own(lab: Lab, curated: Curated) -> None:
    """A set of which little is used is not kept in memory, so each sample is a request, epoch after epoch."""
    whole = [row for row in curated.rows if not row["error"]]
    least = round(sorted(row["sharpness"] for row in whole)[-len(whole) // 6], 3)
    chosen = {_named(row) for row in whole if row["sharpness"] > least}
    assert 16 <= len(chosen) < len(curated.rows) / 4
    steps = 80  # of 16 samples: some hundred are read before the process is started, and while it starts
    run = training_run("apart", lab.namespace, lab.place, workers=(1, 1), steps=steps, interval=steps)
    run["spec"]["data"]["source"] = STAMPS
    run["spec"]["data"]["filter"] = {"table": curated.status.table_uri, "where": f"sharpness > {least}"}
    witness = lab.witness("apart")
    lab.apply(run)
    lab.until_done("apart", 600)
    witness.stop()
    seen = [one for step in lab.effective_steps("apart") for one in step["ids"]]
    assert len(seen) == steps * 16
    assert set(seen) <= chosen
    assert len(witness.events("storage.reading_process")) == 1, witness.text()
    assert not witness.events("storage.reading_process_ended")


def _named(row: dict[str, Any]) -> str:
    """A sample as step logs name it."""
    return f"{row['shard'].rpartition('/')[2]}/{row['key']}"
