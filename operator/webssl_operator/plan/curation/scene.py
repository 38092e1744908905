"""What the parts of the plan look at, and what an engine makes of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError
from webssl_api import labels
from webssl_api.curation import WebSSLCurationSpec
from webssl_api.curation_status import FINISH_KEY, CurationPhase, CurationReport, report_key, total

from webssl_operator.construct.curation import CurationView
from webssl_operator.observe.family import Facts, Family
from webssl_operator.plan.actions import Action, RunEvent
from webssl_operator.plan.failures import last_words
from webssl_operator.settings import Settings


@dataclass(frozen=True)
class Scene:
    """A pass, its children, and all else that the plan may depend on."""

    view: CurationView
    spec: WebSSLCurationSpec
    family: Family
    now: datetime
    settings: Settings
    facts: Facts

    @property
    def image(self) -> str:
        """Image of pods whose template names none."""
        return self.settings.images.evaluation

    def reports(self) -> list[CurationReport]:
        """What the pods of this very pass have said (a namesake's leftovers do not count); what cannot be read is left out."""
        view = self.family.config_maps.get(labels.curation_progress_name(self.view.name))
        if view is None or view.owner != self.view.uid:
            return []
        keys = [*(report_key(number) for number in range(self.spec.ranges)), FINISH_KEY]
        return list(_read(view.texts[key] for key in keys if key in view.texts))

    def progress(self) -> CurationReport:
        """The sum of the reports."""
        return total(self.reports())

    def words_of(self, job_uid: str) -> str:
        """The end of the log of the last pod of a Job that failed."""
        failed = [
            pod for pod in self.family.pods if pod.job_uid == job_uid and pod.phase == "Failed" and pod.log
        ]
        return last_words(failed[-1]) if failed else ""


@dataclass(frozen=True)
class Work:
    """What an engine makes of the pass now.

    phase: where it stands by the engine's children. message: what it waits for, or why it failed. reason: of the failure, in one
    word. scored: every range is scored. retries: pods that failed and were tried again. running: a pod runs.
    """

    phase: CurationPhase
    message: str = ""
    reason: str = ""
    scored: bool = False
    running: bool = False
    retries: int = 0
    actions: tuple[Action, ...] = ()
    events: tuple[RunEvent, ...] = ()
    wake: datetime | None = None


def _read(texts: Iterable[str]) -> Iterable[CurationReport]:
    for text in texts:
        try:
            yield CurationReport.model_validate_json(text)
        except ValidationError:
            continue
