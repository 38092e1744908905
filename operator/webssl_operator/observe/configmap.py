"""What the operator must know of a run's ConfigMaps: who owns them, and the report in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from webssl_api import labels
from webssl_api.reports import REPORT_KEY, EvaluationReport, TrainingReport

from webssl_operator.observe.job import owner_uid


@dataclass(frozen=True, slots=True)
class ConfigMapView:
    """One ConfigMap of a run. owner: uid of the run that owns it."""

    namespace: str
    name: str
    uid: str
    run: str
    sequence: int
    owner: str = ""
    deleting: bool = False
    training: TrainingReport | None = None
    evaluation: EvaluationReport | None = None
    unreadable: str = ""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ConfigMapView:
        """View of a ConfigMap. A report that does not parse is kept as `unreadable`, with what is wrong."""
        meta, data = raw["metadata"], raw.get("data") or {}
        tags = meta.get("labels", {})
        training: TrainingReport | None = None
        evaluation: EvaluationReport | None = None
        unreadable = ""
        text = data.get(REPORT_KEY)
        if text:
            try:
                if tags.get(labels.SUITE):
                    evaluation = EvaluationReport.model_validate_json(text)
                else:
                    training = TrainingReport.model_validate_json(text)
            except ValidationError as error:
                unreadable = (
                    f"ConfigMap {meta['name']} holds a report that cannot be read: {error.errors()[0]['msg']}"
                )
        return cls(
            namespace=meta["namespace"],
            name=meta["name"],
            uid=meta["uid"],
            run=tags.get(labels.RUN, ""),
            sequence=int(meta.get("resourceVersion", 0)),
            owner=owner_uid(meta),
            deleting="deletionTimestamp" in meta,
            training=training,
            evaluation=evaluation,
            unreadable=unreadable,
        )
