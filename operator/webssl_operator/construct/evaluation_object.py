"""What an evaluation of any checkpoint is made of, beside the Jobs of its suites."""

from __future__ import annotations

from webssl_api import labels
from webssl_api.data import StorageSpec
from webssl_api.evaluation_object import EncoderSpec, EvaluationObjectStatus, WebSSLEvaluationSpec
from webssl_api.resolved import RUN_KEY, ResolvedRun
from webssl_api.run import WebSSLRunSpec

from webssl_operator.construct.access import identity
from webssl_operator.construct.evaluation_job import Bench
from webssl_operator.construct.meta import Manifest
from webssl_operator.construct.owner import Owner, owner_of
from webssl_operator.observe.object import ObjectView
from webssl_operator.settings import Settings

EvaluationView = ObjectView[WebSSLEvaluationSpec, EvaluationObjectStatus]
_BATCH = 4096


def owner(view: EvaluationView) -> Owner:
    """The evaluation as an owner."""
    return owner_of(view, stem=labels.evaluation_object_name(view.name))


def bench_of(
    view: EvaluationView, spec: WebSSLEvaluationSpec, storage: StorageSpec, settings: Settings
) -> Bench:
    """What the suites share."""
    whose = owner(view)
    return Bench(
        owner=whose,
        image=settings.images.evaluation,
        storage=storage,
        template=spec.template,
        max_retries=spec.max_retries,
        config=whose.prefix,
        service_account=whose.prefix,
        priority_class=settings.evaluation_priority,
    )


def encoder_of(run: WebSSLRunSpec) -> EncoderSpec:
    """The encoder that a run trains."""
    stages = run.schedule.stages
    return EncoderSpec.model_validate(
        {
            "size": run.model.size,
            "patch_size": run.model.patch_size,
            "objective": run.objective.kind,
            "resolution": stages[0].resolution,
            "view_resolution": stages[-1].resolution,
        }
    )


def run_of(encoder: EncoderSpec, storage: StorageSpec, spec: WebSSLEvaluationSpec) -> WebSSLRunSpec:
    """A run that would leave such a checkpoint, in the form that evaluation pods read: they know runs, and nothing else.

    Of a run they read the encoder, the resolutions, the storage and the suites; what else a run must have is filled in.
    """
    sides = dict.fromkeys([encoder.resolution, encoder.view_resolution or encoder.resolution])
    return WebSSLRunSpec.model_validate(
        {
            "model": {"size": encoder.size, "patch_size": encoder.patch_size},
            "objective": {encoder.objective.value: {}},
            "data": {"source": "file:///never/read/0.tar", "storage": storage},
            "schedule": {
                "stages": [{"resolution": side, "samples": _BATCH} for side in sides],
                "global_batch_size": _BATCH,
            },
            "workers": {"max": 1},
            "checkpoint": {"uri": spec.checkpoint.uri, "interval": {"samples": _BATCH}},
            "evaluation": {
                "suites": spec.suites,
                "max_retries": spec.max_retries,
                "template": spec.template,
            },
        }
    )


def standing_children(view: EvaluationView, run: WebSSLRunSpec) -> list[Manifest]:
    """What has to be there before the first pod starts, and stays for the life of the evaluation."""
    whose = owner(view)
    resolved = ResolvedRun(name=view.name, namespace=view.namespace, uid=view.uid, spec=run)
    reports = {suite.key: labels.evaluation_name(whose.prefix, suite.key) for suite in run.evaluation.suites}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": whose.meta_of(whose.prefix, labels.ROLE_EVALUATION),
            "data": {RUN_KEY: resolved.to_yaml()},
        },
        *(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": whose.meta_of(name, labels.ROLE_REPORT, suite),
            }
            for suite, name in reports.items()
        ),
        *identity(whose, whose.prefix, labels.ROLE_EVALUATION, list(reports.values())),
    ]
