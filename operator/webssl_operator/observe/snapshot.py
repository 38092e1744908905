"""One consistent picture of a run and its children, the only input of the plan beside the clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from webssl_api import labels
from webssl_api.reports import EvaluationReport, TrainingReport

from webssl_operator.observe.claim import Claim
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.family import ChildKey, Family
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.observe.run import RunView


@dataclass(frozen=True)
class RunSnapshot:
    """A run, its Jobs, pods and ConfigMaps, and the marks of what this process has applied.

    pods: worker pods, those that vanished and are not yet accounted for included. applied: mark per child; a child that
    changed or vanished since is not in it. claims: what others need of the run's checkpoints.
    """

    run: RunView
    job: JobView | None = None
    pods: tuple[PodView, ...] = ()
    evaluation_jobs: Mapping[str, JobView] = field(default_factory=dict)
    evaluation_pods: tuple[PodView, ...] = ()
    config_maps: Mapping[str, ConfigMapView] = field(default_factory=dict)
    applied: Mapping[ChildKey, str] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    @classmethod
    def of(cls, family: Family, claims: tuple[Claim, ...] = ()) -> RunSnapshot:
        """The snapshot of a family whose head is a run. Raises TypeError for another head."""
        if not isinstance(family.head, RunView):
            raise TypeError(f"{family.head.owner_kind} {family.head.name} is no run")
        jobs = family.jobs.values()
        return cls(
            run=family.head,
            job=next((job for job in jobs if job.role == labels.ROLE_WORKER), None),
            pods=tuple(pod for pod in family.pods if pod.role == labels.ROLE_WORKER),
            evaluation_jobs={job.name: job for job in jobs if job.role == labels.ROLE_EVALUATION},
            evaluation_pods=tuple(pod for pod in family.pods if pod.role == labels.ROLE_EVALUATION),
            config_maps=family.config_maps,
            applied=family.applied,
            claims=claims,
        )

    @property
    def training(self) -> TrainingReport | None:
        """The trainer's newest report on this very run (a namesake's leftovers do not count)."""
        view = self._own(labels.progress_name(self.run.name))
        return view.training if view else None

    def evaluation(self, suite: str) -> EvaluationReport | None:
        """The report of one suite."""
        view = self._own(labels.evaluation_name(self.run.name, suite))
        return view.evaluation if view else None

    def _own(self, name: str) -> ConfigMapView | None:
        view = self.config_maps.get(name)
        return view if view is not None and view.owner == self.run.uid else None
