"""WebSSLEvaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from webssl_api.evaluation_object import EVALUATION, EvaluationObjectStatus, WebSSLEvaluationSpec
from webssl_api.run import RUN

from webssl_operator.construct.evaluation_object import EvaluationView
from webssl_operator.kinds.handling import Handling
from webssl_operator.metrics.evaluation import EvaluationCollector
from webssl_operator.observe.belonging import Key
from webssl_operator.observe.family import Head
from webssl_operator.observe.object import ObjectView
from webssl_operator.plan.evaluation_object import plan_evaluation


def view(raw: Mapping[str, Any]) -> EvaluationView:
    """An evaluation as the API server serves it."""
    return ObjectView.of(EVALUATION.name, WebSSLEvaluationSpec, EvaluationObjectStatus, raw)


def run_of(head: Head) -> Key | None:
    """The run that an evaluation names."""
    spec = cast("EvaluationView", head).spec
    return Key(head.namespace, spec.run.name) if spec is not None and spec.run is not None else None


EVALUATIONS = Handling(
    kind=EVALUATION,
    view=view,
    plan=plan_evaluation,
    collector=EvaluationCollector,
    refers_to=run_of,
    regards=RUN.name,
)
