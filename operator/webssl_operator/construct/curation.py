"""What a pass over a data set is made of: its ConfigMaps and identity, and the pods that score and that make the table."""

from __future__ import annotations

from typing import Any

from webssl_api import env, labels
from webssl_api.curation import CURATION_KEY, ResolvedCuration, WebSSLCurationSpec
from webssl_api.curation_status import CurationStatus

from webssl_operator.construct.access import identity
from webssl_operator.construct.appdef import storage_environment
from webssl_operator.construct.meta import Manifest, digest
from webssl_operator.construct.owner import Owner, owner_of
from webssl_operator.construct.pod import container, pod_spec
from webssl_operator.construct.worker_job import failure_policy
from webssl_operator.observe.object import ObjectView

CurationView = ObjectView[WebSSLCurationSpec, CurationStatus]
COMMAND = ("python", "-m", "webssl_trainer.curation")
SCORE, FINISH, RAY = "score", "finish", "ray"
"""What a pod does: score the range of its completion index, make the table of the scored ranges, or both over a Ray cluster."""


def owner(view: CurationView) -> Owner:
    """The pass as an owner."""
    return owner_of(view, stem=labels.curation_name(view.name))


def template_digest(spec: WebSSLCurationSpec) -> str:
    """Digest of what a user can change and a running pod cannot take in."""
    return digest({"template": spec.template.to_dict()})


def standing_children(view: CurationView, spec: WebSSLCurationSpec) -> list[Manifest]:
    """What has to be there before the first pod starts, and stays for the life of the pass."""
    whose, name = owner(view), labels.curation_name(view.name)
    resolved = ResolvedCuration(name=view.name, namespace=view.namespace, uid=view.uid, spec=spec)
    report = labels.curation_progress_name(view.name)
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": whose.meta_of(name, labels.ROLE_CURATION),
            "data": {CURATION_KEY: resolved.to_yaml()},
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": whose.meta_of(report, labels.ROLE_REPORT)},
        *identity(whose, name, labels.ROLE_CURATION, [report]),
    ]


def scoring_job(view: CurationView, spec: WebSSLCurationSpec, image: str) -> Manifest:
    """An Indexed Job with one completion for each range of shards; each range is retried alone (KEP-3850)."""
    meta = owner(view).meta_of(labels.curation_name(view.name), labels.ROLE_CURATION)
    meta["annotations"] = {labels.TEMPLATE_DIGEST: template_digest(spec)}
    if view.queue:
        meta["labels"][labels.QUEUE_NAME] = view.queue
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            "completionMode": "Indexed",
            "parallelism": min(spec.parallelism, spec.ranges),
            "completions": spec.ranges,
            "backoffLimitPerIndex": spec.max_retries,
            **_job(view, spec, image, SCORE),
            **({} if view.queue else {"suspend": False}),
        },
    }


def finishing_job(view: CurationView, spec: WebSSLCurationSpec, image: str) -> Manifest:
    """The Job that makes one table of the scored ranges."""
    meta = owner(view).meta_of(labels.curation_finish_name(view.name), labels.ROLE_CURATION)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": spec.max_retries,
            **_job(view, spec, image, FINISH),
        },
    }


def _job(view: CurationView, spec: WebSSLCurationSpec, image: str, step: str) -> dict[str, Any]:
    name, template = labels.curation_name(view.name), spec.template
    return {
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": failure_policy(labels.ROLE_CURATION),
        "template": {
            "metadata": {
                "labels": {**template.labels, **owner(view).labels_of(labels.ROLE_CURATION)},
                "annotations": dict(template.annotations),
            },
            "spec": pod_spec(scorer(view, spec, image, step), template, name, name),
        },
    }


def scorer(view: CurationView, spec: WebSSLCurationSpec, image: str, step: str) -> dict[str, Any]:
    """The container of a step."""
    report = labels.curation_progress_name(view.name)
    environment = {
        env.CURATION_FILE: f"{env.RUN_MOUNT}/{CURATION_KEY}",
        env.REPORT: f"configmap://{view.namespace}/{report}",
        env.METRICS_PORT: str(env.DEFAULT_METRICS_PORT),
        **storage_environment(spec.data.storage),
        **{variable.name: variable.value for variable in spec.template.env},
    }
    image = spec.template.image or image
    return container(
        labels.ROLE_CURATION, image, [*COMMAND, step], environment, spec.template, spec.data.storage
    )
