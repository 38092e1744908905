"""The worker's role as a TorchX AppDef: one description of command, environment, resources and retries.

`worker_job` lowers it to an Indexed Job; without a cluster the CLI hands the same AppDef to TorchX's local scheduler.
"""

from __future__ import annotations

from dataclasses import dataclass

from torchx.specs import AppDef, RetryPolicy, Role
from webssl_api import env, labels
from webssl_api.data import StorageSpec
from webssl_api.run import WebSSLRunSpec

from webssl_operator.construct.quantities import torchx_resource


@dataclass(frozen=True)
class Places:
    """Where a worker finds its run file and leaves its reports; see webssl_api.env for the forms."""

    run_file: str
    report: str
    rendezvous: str


def in_cluster(namespace: str, run: str) -> Places:
    """The places of a pod: the mounted ConfigMap, and two ConfigMaps reached by name."""
    return Places(
        run_file=f"{env.RUN_MOUNT}/run.yaml",
        report=f"configmap://{namespace}/{labels.progress_name(run)}",
        rendezvous=f"configmap://{namespace}/{labels.rendezvous_name(run)}",
    )


def storage_environment(storage: StorageSpec) -> dict[str, str]:
    """Endpoint and region under the names that every S3 library reads. Credentials never stand here."""
    pairs = {"AWS_ENDPOINT_URL": storage.endpoint, "AWS_REGION": storage.region}
    return {name: value for name, value in pairs.items() if value}


def worker_app(name: str, spec: WebSSLRunSpec, places: Places, image: str, workers: int) -> AppDef:
    """The AppDef of a run with `workers` workers.

    places and image depend on where it runs; everything else is the specification's. max_retries is restartPolicy.maxRestarts.
    """
    template = spec.workers.template
    role = Role(
        name=labels.ROLE_WORKER,
        image=template.image or image,
        entrypoint="python",
        args=["-m", "webssl_trainer.launch"],
        env={
            env.RUN_FILE: places.run_file,
            env.REPORT: places.report,
            env.RENDEZVOUS: places.rendezvous,
            env.METRICS_PORT: str(env.DEFAULT_METRICS_PORT),
            **storage_environment(spec.data.storage),
            **{variable.name: variable.value for variable in template.env},
        },
        num_replicas=workers,
        min_replicas=spec.workers.min,
        max_retries=spec.restart_policy.max_restarts,
        retry_policy=RetryPolicy.REPLICA,
        resource=torchx_resource(template.resources),
        port_map={"metrics": env.DEFAULT_METRICS_PORT},
    )
    return AppDef(name=name, roles=[role], metadata={labels.RUN: name})
