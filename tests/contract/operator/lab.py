"""Runs on a real API server with a real Job controller; the test plays kubelet and trainer by writing what they would write."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

from kubernetes import client
from kubernetes.client.rest import ApiException
from urllib3.exceptions import HTTPError
from webssl_api import labels
from webssl_api.reports import REPORT_KEY, EvaluationReport, TrainingReport
from webssl_api.run import GROUP, PLURAL, VERSION
from webssl_api.status import RunStatus

from tests.manifests.valid import valid_run

T = TypeVar("T")
Raw = dict[str, Any]
PATIENCE = 180.0


class Lab:
    """One namespace."""

    def __init__(self, kube: client.ApiClient, namespace: str) -> None:
        self.namespace = namespace
        self.kube = kube
        self.core, self.batch = client.CoreV1Api(kube), client.BatchV1Api(kube)
        self.objects = client.CustomObjectsApi(kube)

    # -- runs -------------------------------------------------------------------------------------------------------

    def apply(self, name: str, suites: bool = False, **spec: Any) -> None:
        """Create the valid run under another name, with changes to its spec."""
        manifest = copy.deepcopy(valid_run())
        manifest["metadata"] = {"name": name, "namespace": self.namespace}
        manifest["spec"] |= {
            "workers": {"min": 1, "max": 2, "template": {"terminationGracePeriodSeconds": 5}}
        }
        if not suites:
            del manifest["spec"]["evaluation"]
        manifest["spec"] |= spec
        self.objects.create_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, manifest)

    def run(self, name: str) -> Raw:
        found: Raw = self.objects.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)
        return found

    def status(self, name: str) -> RunStatus:
        return RunStatus.model_validate(self.run(name).get("status", {}))

    def patch(self, name: str, spec: Raw) -> None:
        self.objects.patch_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, name, {"spec": spec}
        )

    def delete(self, name: str) -> None:
        self.objects.delete_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)

    def until(
        self, what: str, look: Callable[[], T], fits: Callable[[T], bool], seconds: float = PATIENCE
    ) -> T:
        """Look until it fits; says what was seen last when it never does."""
        end = time.monotonic() + seconds
        while True:
            try:
                seen = look()
                if fits(seen):
                    return seen
                last: Any = seen
            except ApiException as error:
                if error.status in range(400, 500) and error.status not in (404, 409, 429):
                    raise
                last = error.reason
            except HTTPError as error:  # a busy server answers the next time
                last = error
            if time.monotonic() > end:
                raise AssertionError(f"no {what} within {seconds:.0f} s; seen last: {last}")
            time.sleep(0.2)

    def until_status(self, name: str, what: str, fits: Callable[[RunStatus], bool]) -> RunStatus:
        return self.until(what, lambda: self.status(name), fits)

    # -- children ---------------------------------------------------------------------------------------------------

    def job(self, name: str) -> Any:
        return self.batch.read_namespaced_job(name, self.namespace)

    def evaluation_jobs(self, name: str, suite: str) -> list[Any]:
        """Evaluation Jobs of a suite that are not being deleted, whichever checkpoint they score."""
        selector = f"{labels.RUN}={name},{labels.SUITE}={suite}"
        found = self.batch.list_namespaced_job(self.namespace, label_selector=selector).items
        return [job for job in found if not job.metadata.deletion_timestamp]

    def evaluation_job(self, name: str, suite: str, digest: str) -> Any:
        """The evaluation Job of a suite on a checkpoint, as soon as it is the only one."""

        def fits(seen: list[Any]) -> bool:
            return [job.metadata.annotations[labels.CHECKPOINT_DIGEST] for job in seen] == [digest]

        return self.until(f"{suite} Job", lambda: self.evaluation_jobs(name, suite), fits)[0]

    def annotate(self, name: str, **annotations: str) -> None:
        """Set annotations with our prefix on a run."""
        found = {f"{labels.PREFIX}/{key}": text for key, text in annotations.items()}
        self.objects.patch_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, name, {"metadata": {"annotations": found}}
        )

    def pods(self, name: str, role: str = labels.ROLE_WORKER) -> list[Any]:
        """Pods of a role that have neither ended nor are being deleted, by name."""
        selector = f"{labels.RUN}={name},{labels.ROLE}={role}"
        found = self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        alive = [
            p for p in found if p.status.phase in ("Pending", "Running") and not p.metadata.deletion_timestamp
        ]
        return sorted(alive, key=lambda pod: str(pod.metadata.name))

    def config_map(self, name: str) -> Any:
        return self.core.read_namespaced_config_map(name, self.namespace)

    def reasons(self, name: str) -> set[str]:
        """Reasons of the events on a run."""
        events = self.core.list_namespaced_event(
            self.namespace, field_selector=f"involvedObject.kind=WebSSLRun,involvedObject.name={name}"
        )
        return {event.reason for event in events.items}

    # -- what kubelet and trainer would do --------------------------------------------------------------------------

    def start(self, name: str, count: int = 2, role: str = labels.ROLE_WORKER) -> list[Any]:
        """Let `count` pods of a run run; returns them."""
        pods = self.until(f"{count} pods", lambda: self.pods(name, role), lambda seen: len(seen) == count)
        for pod in pods:
            if pod.status.phase == "Pending":
                self._set(pod, "Running", {"running": {"startedAt": _now()}}, ready=True)
        return self.pods(name, role)

    def end(self, pod: Any, code: int, log: str = "") -> None:
        """Let a pod's container end."""
        ended = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "message": log,
            "startedAt": _now(),
            "finishedAt": _now(),
        }
        self._set(pod, "Failed" if code else "Succeeded", {"terminated": ended}, ready=False)

    def bind(self, pod: Any, node: str) -> None:
        """Let the scheduler put a pod on a node."""
        target = client.V1ObjectReference(api_version="v1", kind="Node", name=node)
        body = client.V1Binding(metadata=client.V1ObjectMeta(name=pod.metadata.name), target=target)
        self.core.create_namespaced_pod_binding(
            pod.metadata.name, self.namespace, body, _preload_content=False
        )

    def remove(self, pod: Any) -> None:
        """`kubectl delete pod --force`, and the kubelet has killed the container."""
        self.core.delete_namespaced_pod(pod.metadata.name, self.namespace, grace_period_seconds=0)

    def report(self, name: str, report: TrainingReport) -> None:
        self._report(labels.progress_name(name), report)

    def report_evaluation(self, name: str, suite: str, report: EvaluationReport) -> None:
        self._report(labels.evaluation_name(name, suite), report)

    def _report(self, config_map: str, report: TrainingReport | EvaluationReport) -> None:
        body = {"data": {REPORT_KEY: report.model_dump_json(by_alias=True)}}
        self.core.patch_namespaced_config_map(
            config_map, self.namespace, body, field_manager="webssl-trainer"
        )

    def _set(self, pod: Any, phase: str, state: Raw, ready: bool) -> None:
        status = {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
            "containerStatuses": [
                {
                    "name": pod.spec.containers[0].name,
                    "image": pod.spec.containers[0].image,
                    "imageID": "",
                    "ready": ready,
                    "restartCount": 0,
                    "state": state,
                }
            ],
        }
        self.core.patch_namespaced_pod_status(pod.metadata.name, self.namespace, {"status": status})


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
