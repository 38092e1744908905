"""`spec.workers`: how many pods train, and what each needs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.durations import Duration

Quantity = int | str
ObjectMap = dict[str, Any]


class ResourcesSpec(ApiModel):
    """Kubernetes resource requests and limits of the container."""

    requests: Annotated[dict[str, Quantity], Field(max_length=32)] = Field(default_factory=dict)
    """What the scheduler reserves, such as {cpu: 8, memory: 64Gi}."""

    limits: Annotated[dict[str, Quantity], Field(max_length=32)] = Field(default_factory=dict)
    """What the container may use at most, such as {nvidia.com/gpu: 8}."""


class EnvVar(ApiModel):
    """One environment variable. Secrets belong into spec.data.storage.secretRef."""

    name: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Name of the variable."""

    value: Annotated[str, Field(max_length=4096)] = ""
    """Its value, in plain text."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!self.name.matches('SECRET|PASSWORD|TOKEN|ACCESS_KEY')",
            message="env {name} looks like a credential: put it into a Secret and name that in spec.data.storage.secretRef",
            check=lambda self: (
                not any(word in self.name for word in ("SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY"))
            ),
        ),
    )


class PodTemplateSpec(ApiModel):
    """The parts of a pod that a user sets; the operator fills in the rest."""

    image: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Container image; unset: the one that the operator was installed with."""

    image_pull_policy: Annotated[str, Field(pattern=r"^(Always|IfNotPresent|Never)$")] | None = None
    """When the image is pulled: Always, IfNotPresent or Never."""

    image_pull_secrets: Annotated[list[str], Field(max_length=8)] = Field(default_factory=list)
    """Names of Secrets with registry credentials."""

    resources: ResourcesSpec = Field(default_factory=ResourcesSpec)
    """Requests and limits of the container, GPUs included."""

    labels: Annotated[dict[str, str], Field(max_length=32)] = Field(default_factory=dict)
    """Further labels of the pods."""

    annotations: Annotated[dict[str, str], Field(max_length=32)] = Field(default_factory=dict)
    """Further annotations of the pods."""

    node_selector: Annotated[dict[str, str], Field(max_length=32)] = Field(default_factory=dict)
    """Labels that a node must carry."""

    tolerations: Annotated[list[ObjectMap], Field(max_length=32)] = Field(default_factory=list)
    """Taints that the pods tolerate, as in a PodSpec."""

    affinity: ObjectMap | None = None
    """Affinity rules, as in a PodSpec."""

    priority_class_name: Annotated[str, Field(max_length=253)] | None = None
    """Priority class of the pods."""

    scheduler_name: Annotated[str, Field(max_length=253)] | None = None
    """Scheduler that places the pods; unset: the cluster's default."""

    runtime_class_name: Annotated[str, Field(max_length=253)] | None = None
    """Runtime class of the pods."""

    termination_grace_period_seconds: Annotated[int, Field(ge=5, le=3600)] = 120
    """Time in seconds between SIGTERM and SIGKILL; a checkpoint is saved in it."""

    shared_memory: Annotated[str, Field(pattern=r"^[0-9]+(Ki|Mi|Gi)$")] = "1Gi"
    """Size of /dev/shm, which NCCL and the loader use."""

    env: Annotated[list[EnvVar], Field(max_length=64)] = Field(default_factory=list)
    """Further environment variables of the container."""

    volumes: Annotated[list[ObjectMap], Field(max_length=16)] = Field(default_factory=list)
    """Further volumes, as in a PodSpec."""

    volume_mounts: Annotated[list[ObjectMap], Field(max_length=16)] = Field(default_factory=list)
    """Where the further volumes are mounted, as in a container."""


MAX_WORKERS = 1024


class WorkersSpec(ApiModel):
    """The elastic group of worker pods."""

    min: Annotated[int, Field(ge=1, le=MAX_WORKERS)] = 1
    """Fewest workers with which the run trains; below it the run waits."""

    max: Annotated[int, Field(ge=1, le=MAX_WORKERS)]
    """Most workers; `kubectl scale` sets this field."""

    processes_per_worker: Annotated[int, Field(ge=1, le=64)] = 1
    """Training processes per worker pod, normally one per GPU."""

    pending_grace: Duration = "5m"
    """How long pods may wait for room before the run goes on with fewer workers."""

    grow_interval: Duration = "10m"
    """How long the run trains with fewer workers before it tries to grow back; a checkpoint is taken for it."""

    template: PodTemplateSpec = Field(default_factory=PodTemplateSpec)
    """What each worker pod looks like."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.min <= self.max",
            message="spec.workers.min {min} is above spec.workers.max {max}: lower min or raise max",
            check=lambda self: self.min <= self.max,
        ),
    )
