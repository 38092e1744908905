"""Passes over a data set, and what all further kinds share, on a real Job controller and with KubeRay's real kind."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from webssl_api import labels
from webssl_api.curation import CURATION
from webssl_api.curation_status import FINISH_KEY, CurationPhase, CurationReport, CurationStatus, report_key
from webssl_api.evaluation_object import EVALUATION, EvaluationObjectStatus, EvaluationPhase
from webssl_api.kind import Kind
from webssl_api.run import GROUP, VERSION
from webssl_localcluster.progress import Reporter
from webssl_localcluster.tools.install import Toolbox

from tests.contract.chart.programs import ray_job_crd
from tests.contract.conftest import CRDS, ApiServer
from tests.contract.operator.lab import Lab, _now
from tests.contract.operator.process import OperatorProcess
from tests.manifests.valid import valid_curation, valid_evaluation

Raw = dict[str, Any]


def create(lab: Lab, kind: Kind, manifest: Raw, **spec: Any) -> str:
    manifest = copy.deepcopy(manifest)
    manifest["metadata"]["namespace"] = lab.namespace
    manifest["spec"] |= spec
    manifest["spec"] = {name: value for name, value in manifest["spec"].items() if value is not None}
    lab.objects.create_namespaced_custom_object(GROUP, VERSION, lab.namespace, kind.plural, manifest)
    return str(manifest["metadata"]["name"])


def status_of(lab: Lab, kind: Kind, name: str) -> Raw:
    found = lab.objects.get_namespaced_custom_object(GROUP, VERSION, lab.namespace, kind.plural, name)
    status: Raw = found.get("status", {})
    return status


def curation_until(lab: Lab, what: str, fits: Callable[[CurationStatus], bool]) -> CurationStatus:
    def look() -> CurationStatus:
        return CurationStatus.model_validate(status_of(lab, CURATION, "text"))

    return lab.until(what, look, fits)


def pods(lab: Lab, kind: Kind, name: str, job: str) -> list[Any]:
    """Pods of a Job that have not ended, by index."""
    selector = f"{kind.label}={name},job-name={job}"
    found = lab.core.list_namespaced_pod(lab.namespace, label_selector=selector).items
    alive = [pod for pod in found if pod.status.phase in ("Pending", "Running")]
    return sorted(alive, key=lambda pod: str(pod.metadata.name))


def run_pods(lab: Lab, kind: Kind, name: str, job: str, count: int) -> list[Any]:
    found = lab.until(f"pods of {job}", lambda: pods(lab, kind, name, job), lambda seen: len(seen) == count)
    for pod in found:
        lab._set(pod, "Running", {"running": {"startedAt": _now()}}, ready=True)
    return pods(lab, kind, name, job)


def say(lab: Lab, key: str, **fields: Any) -> None:
    text = CurationReport.model_validate(fields).model_dump_json(by_alias=True, exclude_none=True)
    lab.core.patch_namespaced_config_map(
        labels.curation_progress_name("text"), lab.namespace, {"data": {key: text}}
    )


def reasons(lab: Lab, kind: Kind) -> set[str]:
    events = lab.core.list_namespaced_event(lab.namespace, field_selector=f"involvedObject.kind={kind.name}")
    return {event.reason for event in events.items}


def test_a_pass_scores_its_ranges_and_makes_the_table(lab: Lab) -> None:
    create(lab, CURATION, valid_curation(), engine="job")
    scoring, finishing = labels.curation_name("text"), labels.curation_finish_name("text")
    first, second = run_pods(lab, CURATION, "text", scoring, 2)
    counts = {"shards_total": 2, "samples_total": 20, "images_per_second": 5.0}
    say(lab, report_key(0), shards_done=1, samples=10, rows=10, failures={"empty": 2}, **counts)
    say(lab, report_key(1), shards_done=1, samples=10, rows=10, failures={"empty": 1}, **counts)
    status = curation_until(lab, "progress", lambda s: s.samples == 20)
    assert (status.phase, status.percent, status.shards_done, status.failures) == (
        CurationPhase.SCORING,
        50,
        2,
        {"empty": 3},
    )
    # A range whose pod fails is tried again, and nothing else.
    lab.end(first, 1, "connection reset")
    again = lab.until(
        "retry",
        lambda: pods(lab, CURATION, "text", scoring),
        lambda seen: len(seen) == 2 and first.metadata.name not in {p.metadata.name for p in seen},
    )
    assert second.metadata.name in {pod.metadata.name for pod in again}
    for pod in again:
        lab.end(pod, 0)
    status = curation_until(lab, "finishing", lambda s: s.phase is CurationPhase.FINISHING)
    assert status.retries == 1
    (pod,) = run_pods(lab, CURATION, "text", finishing, 1)
    say(lab, FINISH_KEY, finished=True, table_uri="s3://scores/text/t.parquet", table_digest="a" * 64)
    lab.end(pod, 0)
    status = curation_until(lab, "success", lambda s: s.phase is CurationPhase.SUCCEEDED)
    assert status.table_uri == "s3://scores/text/t.parquet"
    events = lab.until("events", lambda: reasons(lab, CURATION), lambda seen: "Succeeded" in seen)
    assert {"Created", "Scoring", "Finishing", "Succeeded"} <= events


def test_suspending_a_pass_stops_its_pods_and_resuming_goes_on_in_the_same_job(lab: Lab) -> None:
    create(lab, CURATION, valid_curation(), engine="job")
    name = labels.curation_name("text")
    run_pods(lab, CURATION, "text", name, 2)
    before = lab.job(name).metadata.uid
    for suspend in (True, False):
        lab.objects.patch_namespaced_custom_object(
            GROUP, VERSION, lab.namespace, CURATION.plural, "text", {"spec": {"suspend": suspend}}
        )
        lab.until("Job", lambda: lab.job(name).spec.suspend, lambda seen, want=suspend: seen is want)
    assert lab.job(name).metadata.uid == before


def test_a_user_error_fails_the_pass_with_the_pods_words(lab: Lab) -> None:
    create(lab, CURATION, valid_curation(), engine="job")
    first, _ = run_pods(lab, CURATION, "text", labels.curation_name("text"), 2)
    lab.end(first, 78, "spec.data.source s3://shards/{000..003}.tar: no such bucket: create it")
    status = curation_until(lab, "failure", lambda s: s.phase is CurationPhase.FAILED)
    assert "no such bucket: create it" in status.message


def test_children_go_with_their_pass(lab: Lab) -> None:
    create(lab, CURATION, valid_curation(), engine="job")
    name = labels.curation_name("text")
    uid = lab.until("Job", lambda: lab.job(name), lambda _: True).metadata.owner_references[0].uid
    for read in (
        lab.core.read_namespaced_config_map,
        lab.core.read_namespaced_service_account,
        lab.batch.read_namespaced_job,
    ):
        assert read(name, lab.namespace).metadata.owner_references[0].uid == uid
    lab.objects.delete_namespaced_custom_object(GROUP, VERSION, lab.namespace, CURATION.plural, "text")
    selector = f"{CURATION.label}=text"
    lab.until(
        "nothing left",
        lambda: lab.core.list_namespaced_config_map(lab.namespace, label_selector=selector).items,
        lambda seen: not seen,
    )


@pytest.fixture
def kuberay(api_server: ApiServer, operator: OperatorProcess, tmp_path: Path, lab: Lab) -> Iterator[None]:
    """KubeRay's RayJob, installed while the operator runs; nobody acts on it."""
    del operator
    crd = ray_job_crd(Toolbox(Reporter()), tmp_path)
    api_server.kubectl("apply", "--server-side", "-f", str(crd))
    api_server.kubectl.wait("Established", "crd/rayjobs.ray.io")
    yield
    lab.objects.delete_namespaced_custom_object(GROUP, VERSION, lab.namespace, CURATION.plural, "text")
    api_server.kubectl("delete", "-f", str(crd))


def ray_job(lab: Lab) -> Raw:
    found: Raw = lab.objects.get_namespaced_custom_object(
        "ray.io", "v1", lab.namespace, "rayjobs", labels.curation_name("text")
    )
    return found


def say_of_ray(lab: Lab, **status: Any) -> None:
    lab.objects.patch_namespaced_custom_object_status(
        "ray.io", "v1", lab.namespace, "rayjobs", labels.curation_name("text"), {"status": status}
    )


def test_a_pass_waits_for_kuberay_and_becomes_a_rayjob_that_its_own_schema_takes(
    lab: Lab, request: pytest.FixtureRequest
) -> None:
    create(lab, CURATION, valid_curation(), engine="ray")
    status = curation_until(lab, "condition", lambda s: bool(s.conditions))
    assert (status.conditions[0].reason, status.conditions[0].status) == ("NoRay", "False")
    assert "install KubeRay, or set spec.engine to job" in status.message
    request.getfixturevalue("kuberay")
    made = lab.until("RayJob", lambda: ray_job(lab), lambda _: True)
    assert made["metadata"]["ownerReferences"][0]["kind"] == "WebSSLCuration"
    (workers,) = made["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert workers["replicas"] == 2
    say_of_ray(lab, jobStatus="RUNNING", jobDeploymentStatus="Running")
    say(lab, FINISH_KEY, shards_done=1, shards_total=4, samples=10, samples_total=40, rows=10)
    status = curation_until(lab, "progress", lambda s: s.percent == 25)
    assert (status.phase, status.engine) == (CurationPhase.SCORING, "ray")
    say(lab, FINISH_KEY, finished=True, table_uri="s3://scores/text/t.parquet", table_digest="a" * 64)
    say_of_ray(lab, jobStatus="SUCCEEDED", jobDeploymentStatus="Complete")
    curation_until(lab, "success", lambda s: s.phase is CurationPhase.SUCCEEDED)


def evaluation_until(
    lab: Lab, what: str, fits: Callable[[EvaluationObjectStatus], bool]
) -> EvaluationObjectStatus:
    def look() -> EvaluationObjectStatus:
        return EvaluationObjectStatus.model_validate(status_of(lab, EVALUATION, "imported"))

    return lab.until(what, look, fits)


def test_kubectl_shows_and_explains_the_further_kinds(lab: Lab, api_server: ApiServer) -> None:
    create(lab, CURATION, valid_curation(), engine="job")
    create(lab, EVALUATION, valid_evaluation())
    lab.until("phase", lambda: status_of(lab, CURATION, "text"), lambda seen: bool(seen.get("phase")))
    table = api_server.kubectl("get", "wsc,wse", "--namespace", lab.namespace)
    assert "Pending" in table
    assert "PROGRESS" in table
    assert "SUITES" in table
    for path, words in (
        ("websslcuration.spec.ranges", "completions of the Indexed Job"),
        ("websslevaluation.spec.encoder.resolution", "position embedding"),
    ):
        assert words in " ".join(api_server.kubectl("explain", path).split())
    assert yaml.safe_load(api_server.kubectl("get", "wse", "imported", "-n", lab.namespace, "-o", "yaml"))


def test_runs_go_on_while_another_kind_is_not_served_and_it_is_looked_after_when_it_comes(
    lab: Lab, api_server: ApiServer
) -> None:
    api_server.kubectl("delete", "crd", f"{EVALUATION.plural}.{GROUP}")
    lab.apply("r")
    lab.until("Job", lambda: lab.job("r"), lambda _: True)
    api_server.kubectl("apply", "--server-side", "-f", str(CRDS / f"{GROUP}_{EVALUATION.plural}.yaml"))
    api_server.kubectl.wait("Established", f"crd/{EVALUATION.plural}.{GROUP}")
    # An established kind may still be unknown for a moment to the part of the server that takes its objects.
    lab.until("kind", lambda: create(lab, EVALUATION, valid_evaluation()), lambda _: True)
    evaluation_until(lab, "status", lambda s: s.phase in (EvaluationPhase.PENDING, EvaluationPhase.RUNNING))
