"""The Job of one evaluation suite, pinned to one checkpoint."""

from __future__ import annotations

from webssl_api import env, labels
from webssl_api.evaluation import SuiteSpec
from webssl_api.run import WebSSLRunSpec
from webssl_api.status import CheckpointStatus

from webssl_operator.construct.appdef import storage_environment
from webssl_operator.construct.meta import Manifest, child_labels, child_meta
from webssl_operator.construct.pod import container, pod_spec
from webssl_operator.construct.worker_job import failure_policy
from webssl_operator.observe.run import RunView
from webssl_operator.settings import Images


def evaluation_job(
    run: RunView, spec: WebSSLRunSpec, images: Images, suite: SuiteSpec, checkpoint: CheckpointStatus
) -> Manifest:
    """The Job that scores `checkpoint` with `suite`; the digest is in its annotation and in the pod's environment."""
    template = spec.evaluation.template
    environment = {
        env.RUN_FILE: f"{env.RUN_MOUNT}/run.yaml",
        env.REPORT: f"configmap://{run.namespace}/{labels.evaluation_name(run.name, suite.key)}",
        env.METRICS_PORT: str(env.DEFAULT_METRICS_PORT),
        env.SUITE: suite.key,
        env.CHECKPOINT_URI: checkpoint.uri,
        env.CHECKPOINT_DIGEST: checkpoint.digest,
        **storage_environment(spec),
        **{variable.name: variable.value for variable in template.env},
    }
    main = container(
        labels.ROLE_EVALUATION,
        template.image or images.evaluation,
        ["python", "-m", "webssl_eval"],
        environment,
        template,
        spec.data.storage,
    )
    meta = child_meta(run, labels.evaluation_name(run.name, suite.key), labels.ROLE_EVALUATION, suite.key)
    meta["annotations"] = {labels.CHECKPOINT_DIGEST: checkpoint.digest}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": spec.evaluation.max_retries,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": failure_policy(labels.ROLE_EVALUATION),
            "template": {
                "metadata": {
                    "labels": {
                        **template.labels,
                        **child_labels(run.name, labels.ROLE_EVALUATION, suite.key),
                    },
                    "annotations": dict(template.annotations),
                },
                "spec": pod_spec(
                    main,
                    template,
                    labels.service_account_name(run.name),
                    labels.run_config_name(run.name),
                ),
            },
        },
    }
