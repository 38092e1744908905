"""The Job of one evaluation suite, pinned to one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webssl_api import env, labels
from webssl_api.data import StorageSpec
from webssl_api.evaluation import SuiteSpec
from webssl_api.status import CheckpointStatus
from webssl_api.workers import PodTemplateSpec

from webssl_operator.construct.appdef import storage_environment
from webssl_operator.construct.meta import Manifest, digest
from webssl_operator.construct.owner import Owner
from webssl_operator.construct.pod import container, pod_spec
from webssl_operator.construct.worker_job import failure_policy


@dataclass(frozen=True)
class Bench:
    """What all suites of one evaluation share.

    Attributes:
        owner: whose children the Jobs are.
        image: of pods whose template names none.
        storage: endpoint and credentials.
        template: what a pod looks like.
        max_retries: how often one pod is tried again.
        config: ConfigMap that holds run.yaml.
        service_account: who the pods are; it may write the report's ConfigMaps.
        priority_class: of pods whose template names none; empty for the cluster's default.
        request: text of the request that asked for it; another text starts failed suites anew.
    """

    owner: Owner
    image: str
    storage: StorageSpec
    template: PodTemplateSpec
    max_retries: int
    config: str
    service_account: str
    priority_class: str = ""
    request: str = ""


def job_name(bench: Bench, suite: SuiteSpec, checkpoint: CheckpointStatus) -> str:
    """Another name for another checkpoint, other settings or another request, so that no Job is taken for another's."""
    tag = digest([bench.owner.prefix, suite.key, suite.digest, checkpoint.digest, bench.request])
    return labels.evaluation_job_name(bench.owner.prefix, suite.key, tag)


def evaluation_job(bench: Bench, suite: SuiteSpec, checkpoint: CheckpointStatus) -> Manifest:
    """The Job that scores `checkpoint` with `suite`; the digest is in its annotation and in the pod's environment."""
    owner, template = bench.owner, bench.template
    if bench.priority_class and not template.priority_class_name:
        template = template.model_copy(update={"priority_class_name": bench.priority_class})
    main = container(
        labels.ROLE_EVALUATION,
        template.image or bench.image,
        ["python", "-m", "webssl_eval"],
        _environment(bench, suite, checkpoint),
        template,
        bench.storage,
    )
    meta = owner.meta_of(job_name(bench, suite, checkpoint), labels.ROLE_EVALUATION, suite.key)
    meta["annotations"] = {labels.CHECKPOINT_DIGEST: checkpoint.digest}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            **_completions(suite.pods, bench.max_retries),
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": failure_policy(labels.ROLE_EVALUATION),
            "template": {
                "metadata": {
                    "labels": {**template.labels, **owner.labels_of(labels.ROLE_EVALUATION, suite.key)},
                    "annotations": dict(template.annotations),
                },
                "spec": pod_spec(main, template, bench.service_account, bench.config),
            },
        },
    }


def _environment(bench: Bench, suite: SuiteSpec, checkpoint: CheckpointStatus) -> dict[str, str]:
    report = labels.evaluation_name(bench.owner.prefix, suite.key)
    return {
        env.RUN_FILE: f"{env.RUN_MOUNT}/run.yaml",
        env.REPORT: f"configmap://{bench.owner.namespace}/{report}",
        env.METRICS_PORT: str(env.DEFAULT_METRICS_PORT),
        env.SUITE: suite.key,
        **({env.PARTS: str(suite.pods)} if suite.pods > 1 else {}),
        env.CHECKPOINT_URI: checkpoint.uri,
        env.CHECKPOINT_DIGEST: checkpoint.digest,
        **storage_environment(bench.storage),
        **{variable.name: variable.value for variable in bench.template.env},
    }


def _completions(pods: int, retries: int) -> dict[str, Any]:
    """One pod, or one for each shard of the questions, each tried again on its own (KEP-3850)."""
    if pods == 1:
        return {"parallelism": 1, "completions": 1, "backoffLimit": retries}
    return {
        "completionMode": "Indexed",
        "parallelism": pods,
        "completions": pods,
        "backoffLimitPerIndex": retries,
        "maxFailedIndexes": 0,
    }
