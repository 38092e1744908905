"""What the operator must know of ConfigMaps: who owns them, and the reports in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from webssl_api import labels
from webssl_api.reports import REPORT_KEY, EvaluationReport, TrainingReport
from webssl_api.run import KIND

from webssl_operator.observe.belonging import belongs_to, owner_uid


@dataclass(frozen=True, slots=True)
class ConfigMapView:
    """One ConfigMap.

    owner_name, owner_kind: name and kind of the object it belongs to; owner: uid of the one that owns it. texts: its data where the reports
    in it are for the object's kind to read.
    """

    namespace: str
    name: str
    uid: str
    owner_name: str
    sequence: int
    owner: str = ""
    deleting: bool = False
    training: TrainingReport | None = None
    evaluation: EvaluationReport | None = None
    unreadable: str = ""
    owner_kind: str = KIND
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ConfigMapView:
        """View of a ConfigMap. A report that does not parse is kept as `unreadable`, with what is wrong."""
        meta, data = raw["metadata"], raw.get("data") or {}
        tags = meta.get("labels", {})
        name, owner_kind = belongs_to(tags)
        read_by_kind = owner_kind != KIND and not tags.get(labels.SUITE)
        training: TrainingReport | None = None
        evaluation: EvaluationReport | None = None
        unreadable = ""
        text = "" if read_by_kind else data.get(REPORT_KEY)
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
            owner_name=name,
            owner_kind=owner_kind,
            texts=dict(data) if read_by_kind else {},
            sequence=int(meta.get("resourceVersion", 0)),
            owner=owner_uid(meta),
            deleting="deletionTimestamp" in meta,
            training=training,
            evaluation=evaluation,
            unreadable=unreadable,
        )
