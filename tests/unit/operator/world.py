"""A small model of the cluster around one run: raw objects, a Job controller's rules, and the operator's real caches on top.

Tests move it (pods start, fail, vanish, wait for room), have the operator plan on what the caches hold, and carry the plan out on the
raw objects. Time stands still unless a test moves it.
"""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from webssl_api import labels
from webssl_api.reports import REPORT_KEY, EvaluationReport, TrainingReport
from webssl_api.status import RunStatus
from webssl_operator.cluster.caches import Caches
from webssl_operator.observe.belonging import Key
from webssl_operator.observe.claim import Claim
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import COMPLETION_INDEX, PodView
from webssl_operator.observe.run import RunView
from webssl_operator.observe.snapshot import RunSnapshot
from webssl_operator.observe.times import format_time
from webssl_operator.plan.actions import Apply, BuryPod, Delete, Scale
from webssl_operator.plan.decision import Plan
from webssl_operator.plan.planner import plan
from webssl_operator.settings import Settings

from tests.manifests.valid import valid_run

START = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
Raw = dict[str, Any]


class World:
    """One run, its children as raw objects, and a clock."""

    def __init__(self, queue: str = "", suites: bool = False, **workers: Any) -> None:
        self.now = START
        self.caches = Caches()
        self.claims: tuple[Claim, ...] = ()
        self.job: Raw | None = None
        self.pods: dict[str, Raw] = {}
        self.evaluations: dict[str, Raw] = {}
        self.config_maps: dict[str, Raw] = {}
        self.jobs_made = 0
        self.events: list[str] = []
        self._version = 0
        self.run = valid_run()
        self.run["metadata"] |= {"uid": "run-uid", "generation": 1}
        if queue:
            self.run["metadata"]["labels"] = {labels.QUEUE_NAME: queue}
        self.run["spec"]["workers"] |= workers
        if not suites:
            self.run["spec"].pop("evaluation")
        self._store_run()

    # -- what the operator does -------------------------------------------------------------------------------------

    def snapshot(self) -> RunSnapshot:
        found = self.caches.family(self.key)
        assert found is not None
        return RunSnapshot.of(found, self.claims)

    def plan(self, settings: Settings | None = None) -> Plan:
        """Plan on what the caches hold now."""
        return plan(self.snapshot(), self.now, settings or Settings())

    def operate(self) -> Plan:
        """One pass: plan and carry out."""
        decided = self.plan()
        for action in decided.actions:
            self._act(action)
        if decided.status is not None:
            self.run["status"] = copy.deepcopy(decided.status.to_dict())
            self._store_run()
        self.caches.forget_pods(self.key, decided.consumed)
        self.events += [event.reason for event in decided.events]
        return decided

    def settle(self, passes: int = 20) -> None:
        """Let Job controller and operator work until neither has anything to do."""
        for _ in range(passes):
            changed = self.control_jobs()
            decided = self.operate()
            if not changed and not decided.actions and decided.status is None:
                return
        raise AssertionError(f"not settled after {passes} passes: {decided}")

    # -- what others do ---------------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return str(self.run["metadata"]["name"])

    @property
    def key(self) -> Key:
        return Key("default", self.name)

    @property
    def status(self) -> RunStatus:
        return RunStatus.model_validate(self.run.get("status", {}))

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def change_spec(self, **fields: Any) -> None:
        """The user changes the specification."""
        self.run["spec"] |= fields
        self.run["metadata"]["generation"] += 1
        self._store_run()

    def annotate(self, **annotations: str) -> None:
        """The user sets annotations with our prefix."""
        found = {f"{labels.PREFIX}/{name}": text for name, text in annotations.items()}
        self.run["metadata"].setdefault("annotations", {}).update(found)
        self._store_run()

    def control_jobs(self) -> bool:
        """What the Job controller does: a pod for every index without one, none beyond, none while suspended."""
        changed = self._finish_deletion()
        if self.job is None or "deletionTimestamp" in self.job["metadata"] or self._job_over():
            return changed
        spec = self.job["spec"]
        wanted = set() if spec.get("suspend") else set(range(spec["parallelism"]))
        alive = {self.index(pod): pod for pod in self.pods.values() if not self.over(pod)}
        for index, pod in alive.items():
            if index not in wanted:
                self.vanish(pod)
                changed = True
        for index in sorted(wanted - alive.keys()):
            self._make_pod(index)
            changed = True
        return changed

    def index(self, pod: Raw) -> int:
        return int(pod["metadata"]["annotations"][COMPLETION_INDEX])

    def over(self, pod: Raw) -> bool:
        return pod["status"]["phase"] in ("Failed", "Succeeded")

    def alive(self) -> list[Raw]:
        """Pods that have not ended, by index."""
        return sorted((pod for pod in self.pods.values() if not self.over(pod)), key=self.index)

    def start(self, pod: Raw) -> None:
        """The pod runs and is ready."""
        pod["spec"]["nodeName"] = "n0"
        pod["status"] = {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "worker", "state": {"running": {"startedAt": format_time(self.now)}}}
            ],
        }
        self._store_pod(pod)

    def start_all(self) -> None:
        for pod in self.alive():
            if pod["status"]["phase"] == "Pending":
                self.start(pod)

    def refuse(self, pod: Raw, why: str = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.") -> None:
        """The scheduler finds no room."""
        pod["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": why,
                "lastTransitionTime": format_time(self.now),
            }
        ]
        self._store_pod(pod)

    def fail(
        self, pod: Raw, code: int | None = 1, reason: str = "Error", log: str = "", disruption: str = ""
    ) -> None:
        """The pod's container ends."""
        before = pod["status"].get("containerStatuses", [{}])[0].get("state", {}).get("running", {})
        ended = {
            "exitCode": code,
            "reason": reason,
            "message": log,
            "startedAt": before.get("startedAt"),
            "finishedAt": format_time(self.now),
        }
        pod["status"] = {"phase": "Failed"}
        if code is not None:
            pod["status"]["containerStatuses"] = [{"name": "worker", "state": {"terminated": ended}}]
        if disruption:
            pod["status"]["conditions"] = [
                {"type": "DisruptionTarget", "status": "True", "reason": disruption}
            ]
        self._store_pod(pod)

    def vanish(self, pod: Raw) -> None:
        """The pod's object is gone."""
        del self.pods[pod["metadata"]["uid"]]
        self.caches.drop_pod(PodView.of(pod))

    def restart_operator(self, lost: tuple[Raw, ...] = ()) -> None:
        """A new operator process; pods of `lost` vanish while there is none."""
        for pod in lost:
            del self.pods[pod["metadata"]["uid"]]
        self.caches = Caches()
        self._store_run()
        if self.job is not None:
            self._store_job()
        for evaluation in self.evaluations.values():
            self._store_evaluation(evaluation)
        for pod in self.pods.values():
            self._store_pod(pod)
        for name in self.config_maps:
            self._store_config_map(name)

    def delete_pod(self, pod: Raw, grace: int) -> None:
        """Somebody deletes the pod; it is still there until its node says otherwise."""
        pod["metadata"]["deletionTimestamp"] = format_time(self.now + timedelta(seconds=grace))
        pod["metadata"]["deletionGracePeriodSeconds"] = grace
        self._store_pod(pod)

    def complete_job(self) -> None:
        """One worker has exited with 0; the Job controller takes the others away."""
        assert self.job is not None
        for pod in list(self.alive()):
            self.vanish(pod)
        self.job["status"] = {
            "conditions": [{"type": "Complete", "status": "True"}],
            "completionTime": format_time(self.now),
        }
        self._store_job()

    def fail_job(self, reason: str = "PodFailurePolicy", message: str = "exit code 78") -> None:
        assert self.job is not None
        self.job["status"] = {
            "conditions": [{"type": "Failed", "status": "True", "reason": reason, "message": message}]
        }
        self._store_job()

    def report(self, report: TrainingReport) -> None:
        """Rank 0 writes its report."""
        self.config_maps[labels.progress_name(self.name)]["data"] = {
            REPORT_KEY: report.model_dump_json(by_alias=True)
        }
        self._store_config_map(labels.progress_name(self.name))

    def report_evaluation(self, suite: str, report: EvaluationReport) -> None:
        name = labels.evaluation_name(self.name, suite)
        self.config_maps[name]["data"] = {REPORT_KEY: report.model_dump_json(by_alias=True)}
        self._store_config_map(name)

    def evaluation(self, suite: str) -> Raw:
        """The one evaluation Job of a suite."""
        (job,) = (
            job for job in self.evaluations.values() if job["metadata"]["labels"][labels.SUITE] == suite
        )
        return job

    def end_evaluation(self, suite: str, condition: str, failures: int = 0) -> None:
        """The evaluation Job of a suite is `Complete` or `Failed`."""
        job = self.evaluation(suite)
        job["status"] = {
            "failed": failures,
            "conditions": [
                {
                    "type": condition,
                    "status": "True",
                    "reason": "BackoffLimitExceeded",
                    "lastTransitionTime": format_time(self.now),
                }
            ],
        }
        self._store_evaluation(job)

    def delete_job(self) -> None:
        """A user deletes the worker Job."""
        assert self.job is not None
        self.job["metadata"]["deletionTimestamp"] = format_time(self.now)
        self._store_job()

    # -- the model itself -------------------------------------------------------------------------------------------

    def _act(self, action: Apply | Scale | Delete | BuryPod) -> None:
        match action:
            case Apply():
                self._apply(action)
            case Scale():
                assert self.job is not None
                assert self.job["metadata"]["uid"] == action.uid
                if action.workers is not None:
                    self.job["spec"] |= {"parallelism": action.workers, "completions": action.workers}
                if action.suspend is not None:
                    self.job["spec"]["suspend"] = action.suspend
                self._store_job()
            case Delete(kind="Job", name=name) if name in self.evaluations:
                self.caches.drop_job(JobView.of(self.evaluations.pop(name)))
            case Delete(kind="Job"):
                self.delete_job()
            case Delete(kind="Pod", uid=uid):
                self.vanish(self.pods[uid])
            case Delete(kind="ConfigMap", name=name):
                self.caches.drop_config_map(ConfigMapView.of(self.config_maps.pop(name)))
            case BuryPod(pod=view):
                pod = self.pods[view.uid]
                self.fail(pod, code=None, disruption="NodeLost")
                self.vanish(pod)

    def _apply(self, action: Apply) -> None:
        made = copy.deepcopy(action.manifest)
        key = (action.kind, action.name)
        if action.kind == "Job":
            self._version += 1
            made["metadata"] |= {"uid": f"job-{self._version}"}
            if made["metadata"]["labels"][labels.ROLE] == labels.ROLE_WORKER:
                assert self.job is None, "a second worker Job"
                self.jobs_made += 1
                self.job = made
                if labels.QUEUE_NAME in made["metadata"]["labels"]:
                    made["spec"]["suspend"] = True  # as Kueue's webhook does
                self._store_job()
            else:
                assert action.name not in self.evaluations
                self.evaluations[action.name] = made
                self._store_evaluation(made)
            return
        if action.kind == "ConfigMap" and made["metadata"]["labels"][labels.ROLE] != labels.ROLE_RENDEZVOUS:
            before = self.config_maps.get(action.name, {})
            made["metadata"]["uid"] = before.get("metadata", {}).get("uid", f"cm-{action.name}")
            made.setdefault("data", before.get("data"))
            self.config_maps[action.name] = made
            self._store_config_map(action.name)
        self.caches.applied(self.key, key, action.mark)

    def _make_pod(self, index: int) -> None:
        assert self.job is not None
        self._version += 1
        template = copy.deepcopy(self.job["spec"]["template"])
        uid = f"pod-{self._version}"
        self.pods[uid] = {
            "metadata": {
                "name": f"{self.name}-{index}-{self._version}",
                "namespace": "default",
                "uid": uid,
                "labels": template["metadata"]["labels"],
                "annotations": {COMPLETION_INDEX: str(index)},
                "creationTimestamp": format_time(self.now),
                "ownerReferences": [{"kind": "Job", "uid": self.job["metadata"]["uid"]}],
            },
            "spec": {},
            "status": {"phase": "Pending"},
        }
        self._store_pod(self.pods[uid])

    def _finish_deletion(self) -> bool:
        """Foreground deletion: first the pods, then the Job."""
        if self.job is None or "deletionTimestamp" not in self.job["metadata"]:
            return False
        for pod in list(self.pods.values()):
            self.vanish(pod)
        gone, self.job = self.job, None
        self.caches.drop_job(JobView.of(gone))
        return True

    def _job_over(self) -> bool:
        assert self.job is not None
        return bool(self.job.get("status", {}).get("conditions"))

    def _stamp(self, raw: Raw) -> Raw:
        self._version += 1
        raw["metadata"]["resourceVersion"] = str(self._version)
        return copy.deepcopy(raw)

    def _store_run(self) -> None:
        raw, before = self._stamp(self.run), self.caches.head_of(self.key)
        self.caches.put_head(before.renewed(raw) if before is not None else RunView.of(raw))

    def _store_job(self) -> None:
        assert self.job is not None
        self.caches.put_job(JobView.of(self._stamp(self.job)))

    def _store_evaluation(self, job: Raw) -> None:
        self.caches.put_job(JobView.of(self._stamp(job)))

    def _store_pod(self, pod: Raw) -> None:
        self.caches.put_pod(PodView.of(self._stamp(pod)))

    def _store_config_map(self, name: str) -> None:
        self.caches.put_config_map(ConfigMapView.of(self._stamp(self.config_maps[name])))
