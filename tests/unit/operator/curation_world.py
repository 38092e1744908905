"""A small model of the cluster around one pass over a data set."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

from webssl_api import labels
from webssl_api.curation import CURATION
from webssl_api.curation_status import CurationReport
from webssl_operator.construct.curation import CurationView
from webssl_operator.kinds.curation import view
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.family import Facts, Family
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.observe.rayjob import RayJobView
from webssl_operator.observe.times import format_time
from webssl_operator.plan.actions import Apply, Delete, Scale
from webssl_operator.plan.curation.planner import plan_curation
from webssl_operator.plan.decision import Plan
from webssl_operator.settings import Settings

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
Raw = dict[str, Any]
RAY = Facts(ray_jobs=True)
NO_RAY = Facts(ray_jobs=False)
SCORING, FINISHING = labels.curation_name("text"), labels.curation_finish_name("text")


class Pass:
    """One pass, its children as raw objects, and a clock. Time stands still unless a test moves it."""

    def __init__(self, facts: Facts = NO_RAY, annotations: Raw | None = None, **spec: Any) -> None:
        self.now, self.facts = START, facts
        self.jobs: dict[str, Raw] = {}
        self.ray_jobs: dict[str, Raw] = {}
        self.reports: dict[str, CurationReport] = {}
        self.pods: list[PodView] = []
        self.applied: dict[tuple[str, str], str] = {}
        self.events: list[str] = []
        self.children: list[Raw] = []
        self.raw: Raw = {
            "metadata": {"name": "text", "namespace": "default", "uid": "u", "generation": 1}
            | (annotations or {}),
            "spec": {
                "data": {"source": "s3://mc2b/shards/{00..99}.tar"},
                "scorers": {"quality": {}},
                "output": {"uri": "s3://mc2b/scores"},
            }
            | spec,
        }

    @property
    def head(self) -> CurationView:
        return view(self.raw)

    @property
    def status(self) -> Any:
        return self.head.status

    def family(self) -> Family:
        report = {
            "metadata": {
                "name": labels.curation_progress_name("text"),
                "namespace": "default",
                "uid": "cm",
                "labels": {CURATION.label: "text", labels.ROLE: labels.ROLE_REPORT},
                "ownerReferences": [{"kind": CURATION.name, "uid": "u"}],
            },
            "data": {key: said.model_dump_json(by_alias=True) for key, said in self.reports.items()},
        }
        return Family(
            head=self.head,
            jobs={name: JobView.of(job) for name, job in self.jobs.items()},
            pods=tuple(self.pods),
            config_maps={labels.curation_progress_name("text"): ConfigMapView.of(report)},
            ray_jobs={name: RayJobView.of(job) for name, job in self.ray_jobs.items()},
            applied=self.applied,
        )

    def plan(self) -> Plan:
        return plan_curation(self.family(), self.now, Settings(), self.facts)

    def operate(self) -> Plan:
        """Plan, and carry it out."""
        decided = self.plan()
        for action in decided.actions:
            self._act(action)
        if decided.status is not None:
            self.raw["status"] = decided.status.model_dump(mode="json", by_alias=True)
        self.events += [event.reason for event in decided.events]
        again = self.plan()
        assert (again.actions, again.status, again.events) == ((), None, ()), "a plan of a plan asks for more"
        return decided

    def _act(self, action: Any) -> None:
        kinds = {"Job": self.jobs, "RayJob": self.ray_jobs}
        match action:
            case Apply(kind="Job" | "RayJob"):
                made = copy.deepcopy(action.manifest)
                made["metadata"]["uid"] = f"job-of-{action.name}"
                kinds[action.kind][action.name] = made
            case Apply():
                self.children.append(action.manifest)
                self.applied[(action.kind, action.name)] = action.mark
            case Scale():
                if action.parallelism is not None:
                    self.jobs[action.job]["spec"]["parallelism"] = action.parallelism
                if action.suspend is not None:
                    self.jobs[action.job]["spec"]["suspend"] = action.suspend
            case Delete(kind="Job" | "RayJob", name=name):
                del kinds[action.kind][name]

    def change(self, **spec: Any) -> None:
        self.raw["spec"] |= spec
        self.raw["metadata"]["generation"] += 1

    def runs(self) -> None:
        """A scoring pod runs."""
        pod = PodView("default", "p", "p", "text", labels.ROLE_CURATION, "", 1, phase="Running", index=0)
        self.pods = [
            PodView(
                **{**{name: getattr(pod, name) for name in pod.__slots__}, "job_uid": f"job-of-{SCORING}"}
            )
        ]

    def ends(self, name: str, condition: str, reason: str = "", message: str = "", failures: int = 0) -> None:
        row = {"type": condition, "status": "True", "reason": reason, "message": message}
        self.jobs[name]["status"] = {
            "failed": failures,
            "conditions": [row | {"lastTransitionTime": format_time(self.now)}],
        }

    def say(self, key: str, **fields: Any) -> None:
        self.reports[key] = CurationReport.model_validate(fields)


def begun(**spec: Any) -> Pass:
    found = Pass(**spec)
    found.operate()
    return found


def scored(**spec: Any) -> Pass:
    found = begun(**spec)
    found.runs()
    found.operate()
    found.pods = []
    found.ends(SCORING, "Complete")
    found.operate()
    return found


def told(container: Raw) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}
