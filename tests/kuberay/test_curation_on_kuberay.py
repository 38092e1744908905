"""A data set is scored on a Ray cluster that KubeRay makes, and loses a node of it: the same table as from plain pods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client
from webssl_api import GROUP, VERSION, labels
from webssl_api.curation import CURATION, PLURAL
from webssl_api.curation_status import CurationPhase, CurationStatus
from webssl_cli.demo.manifest import ROOT

from tests.e2e.lab.curation import rows_of, status_of
from tests.e2e.lab.lab import Lab, wait_for
from tests.e2e.lab.manifests import storage_of

STAMPS = f"{ROOT}/stamps/*.tar"
RAY_NODE = "ray.io/node-type"


def manifest(lab: Lab, name: str, engine: str) -> dict[str, Any]:
    """A pass over the demo's stamps by scorers that need no model."""
    resources = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "3Gi"}}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "WebSSLCuration",
        "metadata": {"name": name, "namespace": lab.namespace},
        "spec": {
            "engine": engine,
            "data": {"source": STAMPS, "storage": storage_of(lab.place)},
            "scorers": {"quality": {}, "duplicates": {}},
            "output": {"uri": f"{ROOT}/kuberay/{name}"},
            "ranges": 2,
            "parallelism": 1,
            "template": {"resources": resources, "env": [{"name": "OMP_NUM_THREADS", "value": "1"}]},
        },
    }


def begin(lab: Lab, name: str, engine: str) -> None:
    """Create a pass whose table is not there yet."""
    wanted = manifest(lab, name, engine)
    for info in list(lab.storage.list_objects(wanted["spec"]["output"]["uri"])):
        lab.storage.delete(info.url)
    lab.create(PLURAL, wanted)


def ray_pods(lab: Lab, name: str, kind: str) -> list[Any]:
    """Pods of the pass's Ray cluster that are ready: its "head", or its "worker"s."""
    selector = f"{CURATION.label}={name},{RAY_NODE}={kind}"
    pods = lab.core.list_namespaced_pod(lab.namespace, label_selector=selector).items
    return [
        pod
        for pod in pods
        if pod.metadata.deletion_timestamp is None
        and any(one.type == "Ready" and one.status == "True" for one in pod.status.conditions or [])
    ]


@dataclass(frozen=True)
class Passes:
    """Two passes over the same images: on Ray, one of whose nodes was taken away, and in plain pods.

    chosen: the engine of a third one, which left the choice to the operator.
    """

    ray: CurationStatus
    job: CurationStatus
    chosen: str
    killed: str


@pytest.fixture(scope="module")
def passes(lab: Lab, kuberay: Path) -> Passes:
    begin(lab, "on-ray", "ray")  # waits for the operator to find that there is KubeRay now

    def now() -> Any:
        return status_of(lab, "on-ray"), kuberay.read_text()[-1500:]

    (node,) = wait_for(lambda: ray_pods(lab, "on-ray", "worker"), 420, "a node of the Ray cluster", now)
    lab.force_delete(node.metadata.name)
    wait_for(lambda: status_of(lab, "on-ray").phase is CurationPhase.SUCCEEDED, 600, "the table of Ray", now)
    begin(lab, "on-pods", "job")
    wait_for(lambda: status_of(lab, "on-pods").phase is CurationPhase.SUCCEEDED, 300, "the table of the pods")
    begin(lab, "on-either", "auto")
    engine = wait_for(lambda: status_of(lab, "on-either").engine, 60, "the choice of an engine")
    lab.custom.delete_namespaced_custom_object(GROUP, VERSION, lab.namespace, PLURAL, "on-either")
    return Passes(status_of(lab, "on-ray"), status_of(lab, "on-pods"), engine, node.metadata.name)


def test_where_kuberay_is_a_pass_runs_on_it(passes: Passes) -> None:
    assert (passes.ray.engine, passes.job.engine, passes.chosen) == ("ray", "job", "ray")


def test_every_sample_has_one_row_although_a_node_was_lost(lab: Lab, passes: Passes) -> None:
    found = rows_of(lab, passes.ray.table_uri)
    keys = [(row["shard"], row["key"]) for row in found]
    assert len(set(keys)) == len(keys) == passes.ray.rows == passes.ray.samples > 0
    assert passes.ray.percent == 100


def test_the_table_is_that_of_plain_pods(lab: Lab, passes: Passes) -> None:
    def by_key(table: str) -> list[dict[str, Any]]:
        return sorted(rows_of(lab, table), key=lambda row: (row["shard"], row["key"]))

    assert by_key(passes.ray.table_uri) == by_key(passes.job.table_uri)


def test_the_ray_cluster_goes_when_the_pass_is_over(lab: Lab, passes: Passes) -> None:
    def gone() -> bool:
        selector = f"{CURATION.label}=on-ray,{RAY_NODE}"
        return not lab.core.list_namespaced_pod(lab.namespace, label_selector=selector).items

    wait_for(gone, 240, "the pods of the Ray cluster to go")
    job = lab.custom.get_namespaced_custom_object(
        "ray.io", "v1", lab.namespace, "rayjobs", labels.curation_name("on-ray")
    )
    assert job["status"]["jobStatus"] == "SUCCEEDED"
    with pytest.raises(client.ApiException, match="404"):
        lab.core.read_namespaced_pod(passes.killed, lab.namespace)
