"""The kind `WebSSLRun`: one training run from manifest to scores."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from webssl_api.base import ApiModel, Rule
from webssl_api.checkpointing import CheckpointSpec
from webssl_api.compute import ComputeSpec
from webssl_api.data import DataSpec
from webssl_api.evaluation import EvaluationSpec
from webssl_api.kind import API_VERSION, GROUP, VERSION, Column, Kind
from webssl_api.model import ModelSpec
from webssl_api.objective import ObjectiveSpec
from webssl_api.restarts import RestartPolicySpec
from webssl_api.schedule import OptimizerSpec, ScheduleSpec
from webssl_api.status import RunStatus
from webssl_api.workers import WorkersSpec

__all__ = ["API_VERSION", "GROUP", "KIND", "PLURAL", "VERSION", "ObjectMeta", "WebSSLRun", "WebSSLRunSpec"]

KIND = "WebSSLRun"
PLURAL = "websslruns"
SINGULAR = "websslrun"
SHORT_NAMES = ("webssl", "wsr")
MAX_NAME_LENGTH = 40

_SOME = "[" + ", ".join(str(i) for i in range(32)) + "]"
# CEL has no ranges: worker counts min..max are walked as min + 32a + b.
_WORKERS = "(self.workers.min + 32 * a + b)"
_DIVIDES_CEL = (
    f"{_SOME}.exists(a, {_SOME}.exists(b, {_WORKERS} <= self.workers.max && self.schedule.globalBatchSize % "
    f"({_WORKERS} * self.workers.processesPerWorker * "
    "(has(self.objective.dino) ? self.objective.dino.koleo.groupSize : 1)) == 0))"
)


# No text matches it. An API server does not get to the rules while required fields are missing, as they are beside a
# recipe, and of all that it checks before them a pattern is the one thing whose message is ours.
NO_RECIPE = "^$ unresolved: apply what `webssl recipe render -f FILE` prints"


class WebSSLRunSpec(ApiModel):
    """What to train, on what, with what, and how it is judged."""

    recipe: Annotated[str, Field(pattern=NO_RECIPE)] | None = None
    """Recipe that the manifest is laid over, for the webssl command; an API server takes what `webssl recipe render` prints."""

    model: ModelSpec
    """The vision transformer."""

    objective: ObjectiveSpec
    """What is optimised: exactly one of dino, mae and clip."""

    data: DataSpec
    """The training images."""

    schedule: ScheduleSpec
    """Samples seen, resolutions and the global batch."""

    optimizer: OptimizerSpec = Field(default_factory=OptimizerSpec)
    """Learning rate, weight decay and their schedules."""

    compute: ComputeSpec = Field(default_factory=ComputeSpec)
    """Compilation, recomputation and float8: how fast a step is, not what it learns."""

    workers: WorkersSpec
    """The elastic group of worker pods."""

    checkpoint: CheckpointSpec
    """Where, how often and how many checkpoints are kept."""

    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
    """What is measured on the final checkpoint."""

    restart_policy: RestartPolicySpec = Field(default_factory=RestartPolicySpec)
    """When a run that keeps failing is given up."""

    log_sample_ids: bool = False
    """Write the id of every sample into the step log; without it only a digest per step is written."""

    suspend: bool = False
    """Stop the run after a checkpoint and free its pods; set to false to go on from there."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=_DIVIDES_CEL,
            message="spec.schedule.globalBatchSize {schedule.global_batch_size} is not a multiple of workers x "
            "processesPerWorker x koleo.groupSize for any worker count from {workers.min} to {workers.max}: "
            "change the batch or the counts",
            check=lambda self: bool(self.allowed_worker_counts()),
        ),
        Rule(
            cel="self.schedule.stages.all(s, s.resolution % self.model.patchSize == 0 && "
            "(!has(s.localResolution) || s.localResolution % self.model.patchSize == 0))",
            message="spec.schedule.stages: every resolution must be a multiple of spec.model.patchSize {model.patch_size}",
            check=lambda self: all(
                s.resolution % self.model.patch_size == 0
                and (s.local_resolution or 0) % self.model.patch_size == 0
                for s in self.schedule.stages
            ),
        ),
        Rule(
            cel="self.checkpoint.interval.samples >= self.schedule.globalBatchSize",
            message="spec.checkpoint.interval.samples {checkpoint.interval.samples} is less than one step of "
            "{schedule.global_batch_size} samples: raise it",
            check=lambda self: self.checkpoint.interval.samples >= self.schedule.global_batch_size,
        ),
        Rule(
            cel="!has(self.model.startFrom) || !(self.model.startFrom.checkpoint + '/').startsWith("
            "self.checkpoint.uri.endsWith('/') ? self.checkpoint.uri : self.checkpoint.uri + '/')",
            message="spec.model.startFrom.checkpoint is in this run's own spec.checkpoint.uri {checkpoint.uri}: a run goes on "
            "from its own checkpoints by itself; name another run's, or another folder for this one",
            check=lambda self: (
                self.model.start_from is None
                or not f"{self.model.start_from.checkpoint}/".startswith(
                    f"{self.checkpoint.uri.removesuffix('/')}/"
                )
            ),
        ),
        *(
            Rule(
                cel=f"self.{field} == oldSelf.{field}",
                message=f"spec.{field} cannot be changed: the checkpoints of this run depend on it; create a new run",
            )
            for field in ("model", "objective", "schedule", "optimizer")
        ),
        Rule(
            cel="self.data.source == oldSelf.data.source && self.data.seed == oldSelf.data.seed",
            message="spec.data.source and spec.data.seed cannot be changed: the sample order depends on them; create a new run",
        ),
        *(
            Rule(
                cel=f"has(self.data.{field}) == has(oldSelf.data.{field}) && "
                f"(!has(self.data.{field}) || self.data.{field} == oldSelf.data.{field})",
                message=f"spec.data.{field} cannot be changed: the sample order depends on it; create a new run",
            )
            for field in ("neighbours", "filter", "weight", "mix")
        ),
        Rule(
            cel="self.checkpoint.uri == oldSelf.checkpoint.uri",
            message="spec.checkpoint.uri cannot be changed: the run would lose its checkpoints; create a new run",
        ),
    )

    @property
    def group_size(self) -> int:
        """Consecutive samples that are never split over processes (1 where the objective compares no samples)."""
        return self.objective.dino.koleo.group_size if self.objective.dino is not None else 1

    def allowed_worker_counts(self) -> list[int]:
        """Worker counts in min..max at which every process gets the same whole number of sample groups, ascending."""
        unit = self.workers.processes_per_worker * self.group_size
        counts = range(self.workers.min, self.workers.max + 1)
        return [count for count in counts if self.schedule.global_batch_size % (count * unit) == 0]


class ObjectMeta(ApiModel):
    """The part of Kubernetes' ObjectMeta that this project reads."""

    model_config = ConfigDict(**{**ApiModel.model_config, "extra": "ignore"})

    name: str
    namespace: str = "default"
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class WebSSLRun(ApiModel):
    """A training run on many GPUs, from streamed images to scores."""

    api_version: Literal["webssl.dev/v1alpha1"] = "webssl.dev/v1alpha1"
    kind: Literal["WebSSLRun"] = "WebSSLRun"
    metadata: ObjectMeta
    spec: WebSSLRunSpec
    status: RunStatus = Field(default_factory=RunStatus)

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            message="metadata.name {metadata.name} is longer than 40 characters, and pod names are made from it: shorten it",
            check=lambda self: len(self.metadata.name) <= MAX_NAME_LENGTH,
        ),
    )

    @classmethod
    def parse(cls, manifest: dict[str, Any]) -> WebSSLRun:
        """Read a manifest as the API server serves it. Raises pydantic.ValidationError naming field and value."""
        return cls.model_validate(manifest)


RUN = Kind(
    name=KIND,
    plural=PLURAL,
    singular=SINGULAR,
    short_names=SHORT_NAMES,
    model=WebSSLRun,
    spec="What to train, on what, with what, and how it is judged.",
    status="Observed state of the run.",
    scale={
        "specReplicasPath": ".spec.workers.max",
        "statusReplicasPath": ".status.workers.ready",
        "labelSelectorPath": ".status.workers.selector",
    },
    columns=(
        Column("Phase", "string", ".status.phase", "Where the run stands"),
        Column("Progress", "integer", ".status.progress.percent", "Samples seen, in per cent"),
        Column("Workers", "string", ".status.workers.summary", "Workers ready / desired"),
        Column("Img/s", "number", ".status.progress.imagesPerSecond", "Images per second over all workers"),
        Column("Loss", "number", ".status.progress.loss", "Latest loss"),
        Column("Checkpoint", "integer", ".status.lastCheckpoint.step", "Step of the newest checkpoint"),
        Column("Restarts", "integer", ".status.restarts.total", "Worker failures so far", 1),
        Column("Goodput", "number", ".status.goodput", "Share of worker time in steps that count", 1),
        Column("Message", "string", ".status.message", "What the run waits for, or why it failed", 1),
        Column("Age", "date", ".metadata.creationTimestamp", "Time since creation"),
    ),
)
