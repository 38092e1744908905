"""The Indexed Job of the workers: the AppDef of `appdef`, lowered to batch/v1."""

from __future__ import annotations

from typing import Any

from torchx.specs import AppDef
from webssl_api import exit_codes, labels
from webssl_api.resolved import ResolvedRun
from webssl_api.run import WebSSLRunSpec

from webssl_operator.construct.appdef import in_cluster, worker_app
from webssl_operator.construct.meta import Manifest, child_labels, child_meta, digest
from webssl_operator.construct.pod import container, pod_spec, scrape_annotations, with_cache
from webssl_operator.observe.run import RunView
from webssl_operator.settings import Images

WITHOUT_LIMIT = 2**31 - 1


def template_digest(spec: WebSSLRunSpec) -> str:
    """Digest of what a user can change in a run and a running pod cannot take in.

    Of the specification, not of the pod: an operator of a newer version that builds pods otherwise must not restart every training.
    """
    return digest(
        {
            "template": spec.workers.template.to_dict(),
            "processes": spec.workers.processes_per_worker,
            "storage": spec.data.storage.to_dict(),
            **({} if spec.data.cache is None else {"cache": spec.data.cache.to_dict()}),
        }
    )


def worker_job(run: RunView, spec: WebSSLRunSpec, images: Images, workers: int) -> Manifest:
    """The Job for `workers` workers. Under Kueue, which suspends and resumes, it does not speak of `suspend`."""
    app = worker_app(run.name, spec, in_cluster(run.namespace, run.name), images.trainer, workers)
    meta = child_meta(run, labels.job_name(run.name), labels.ROLE_WORKER)
    meta["annotations"] = {labels.TEMPLATE_DIGEST: template_digest(spec)}
    if run.queue:
        meta["labels"][labels.QUEUE_NAME] = run.queue
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": {
            **lower(app, run, spec),
            **({} if run.queue else {"suspend": False}),
        },
    }


def lower(app: AppDef, run: RunView, spec: WebSSLRunSpec) -> dict[str, Any]:
    """JobSpec of a one-role AppDef. Pod details that TorchX has no words for are taken from the specification.

    Failures are limited per index and without bound: the run's own restart policy counts them, and one worker that fails often does
    not delay the replacement of another (KEP-3850). One worker that exits with 0 has committed the final checkpoint (KEP-3998).
    """
    (role,) = app.roles
    template = with_cache(spec.workers.template, spec.data.cache)
    main = container(
        labels.ROLE_WORKER,
        role.image,
        [role.entrypoint, *role.args],
        role.env,
        template,
        spec.data.storage,
    )
    pods = pod_spec(
        main, template, labels.service_account_name(run.name), labels.run_config_name(run.name)
    ) | {"subdomain": labels.job_name(run.name)}
    return {
        "completionMode": "Indexed",
        "parallelism": role.num_replicas,
        "completions": role.num_replicas,
        "backoffLimitPerIndex": WITHOUT_LIMIT,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": failure_policy(labels.ROLE_WORKER),
        "successPolicy": {"rules": [{"succeededCount": 1}]},
        "template": {
            "metadata": {
                "labels": {**template.labels, **child_labels(run.name, labels.ROLE_WORKER)},
                "annotations": {**scrape_annotations(), **template.annotations},
            },
            "spec": pods,
        },
    }


def failure_policy(container_name: str) -> dict[str, Any]:
    """Evictions and lost nodes are no failures; an error that no retry can mend ends the Job (KEP-3329)."""
    return {
        "rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {
                "action": "FailJob",
                "onExitCodes": {
                    "containerName": container_name,
                    "operator": "In",
                    "values": [exit_codes.USER_ERROR],
                },
            },
        ]
    }


def run_yaml(run: RunView, spec: WebSSLRunSpec) -> str:
    """Text of run.yaml."""
    return ResolvedRun(name=run.name, namespace=run.namespace, uid=run.uid, spec=spec).to_yaml()
