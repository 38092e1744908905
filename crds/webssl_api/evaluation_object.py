"""The kind `WebSSLEvaluation`: suites on any checkpoint, whether a run is there or not."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.data import StorageSpec
from webssl_api.evaluation import SuiteSpec, suite_key_cel
from webssl_api.kind import Column, Kind
from webssl_api.model import ModelSize
from webssl_api.run import ObjectMeta
from webssl_api.status import Condition, StatusModel, SuiteStatus
from webssl_api.uris import StorageUri, one_folder_rule, uri_rule
from webssl_api.workers import PodTemplateSpec

KIND = "WebSSLEvaluation"
PLURAL = "websslevaluations"
MAX_NAME_LENGTH = 40


class CheckpointRef(ApiModel):
    """One checkpoint."""

    uri: StorageUri
    """Folder of one checkpoint, as `webssl checkpoints` and `webssl import` print it."""

    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{12,64}$")] | None = None
    """Its digest, or the first digits of it: another checkpoint in that folder is then refused. Unset: whichever is there."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.checkpoint", "uri"),
        one_folder_rule("spec.checkpoint", "uri"),
    )


class RunRef(ApiModel):
    """A WebSSLRun in the same namespace."""

    name: Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """Name of the run."""


class EncoderObjective(StrEnum):
    """What an encoder was trained with."""

    DINO = "dino"
    MAE = "mae"
    CLIP = "clip"


class EncoderSpec(ApiModel):
    """Which encoder a checkpoint holds; `webssl import` prints it for published weights."""

    size: ModelSize
    """Size of the vision transformer."""

    patch_size: Annotated[int, Field(ge=4, le=32)] = 14
    """Side of a square patch in pixels."""

    objective: EncoderObjective = EncoderObjective.DINO
    """What it was trained with: dino, mae or clip. It decides the layout of the network and how images are normalised."""

    resolution: Annotated[int, Field(ge=16, le=2048)] = 224
    """Side in pixels of the images of its first stage, for which its position embedding is made."""

    view_resolution: Annotated[int, Field(ge=16, le=2048)] | None = None
    """Side in pixels at which suites that name none see images; unset: resolution."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.resolution % self.patchSize == 0 && "
            "(!has(self.viewResolution) || self.viewResolution % self.patchSize == 0)",
            message="spec.encoder.resolution {resolution} or viewResolution is not a multiple of patchSize {patch_size}: "
            "change one of them",
            check=lambda self: (
                self.resolution % self.patch_size == 0 and (self.view_resolution or 0) % self.patch_size == 0
            ),
        ),
    )


class WebSSLEvaluationSpec(ApiModel):
    """Which checkpoint is scored, with what, and by whom."""

    checkpoint: CheckpointRef
    """The checkpoint."""

    run: RunRef | None = None
    """Run whose encoder and storage settings are taken; it is looked at once, and may go after that."""

    encoder: EncoderSpec | None = None
    """Which encoder the checkpoint holds, where its run is not here."""

    storage: StorageSpec | None = None
    """How the storage of checkpoint and data is reached; unset: as spec.data.storage of the run says."""

    suites: Annotated[list[SuiteSpec], Field(min_length=1, max_length=32)]
    """Suites to run, as in spec.evaluation.suites of a run; each is one Job. More may be added later."""

    max_retries: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a suite's pod is tried again before the suite counts as failed."""

    template: PodTemplateSpec = Field(default_factory=PodTemplateSpec)
    """What an evaluation pod looks like."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.run) != has(self.encoder)",
            message="spec must say what the checkpoint is of, by exactly one of run and encoder: for a run's checkpoint write "
            "`run: {name: ...}`, else `encoder: {size: 1B}`",
            check=lambda self: (self.run is None) != (self.encoder is None),
        ),
        Rule(
            cel=f"self.suites.all(a, self.suites.exists_one(b, {suite_key_cel('a')} == {suite_key_cel('b')}))",
            message="spec.suites: two suites have the same name: give each a name of its own",
            check=lambda self: len({s.key for s in self.suites}) == len(self.suites),
        ),
        Rule(
            cel="self.checkpoint == oldSelf.checkpoint && has(self.run) == has(oldSelf.run) && "
            "(!has(self.run) || self.run == oldSelf.run) && has(self.encoder) == has(oldSelf.encoder) && "
            "(!has(self.encoder) || self.encoder == oldSelf.encoder)",
            message="spec.checkpoint, spec.run and spec.encoder cannot be changed: scores are of one checkpoint; "
            "create a new WebSSLEvaluation",
        ),
    )


class EvaluationPhase(StrEnum):
    """Where an evaluation stands."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class EvaluationObjectStatus(StatusModel):
    """Observed state of the evaluation."""

    observed_generation: Annotated[int, Field(ge=0)] = 0
    """Generation of the manifest that this status speaks of."""

    phase: EvaluationPhase | None = None
    """Pending, Running, Succeeded or Failed; Failed when a suite has failed, though the others' scores are there."""

    message: str = ""
    """A sentence on the phase: what is waited for, or which suites failed and why."""

    summary: str = ""
    """Suites done and all of them as one text, such as 2/3."""

    checkpoint_digest: str = ""
    """Digest of the checkpoint that is scored, once it is known."""

    encoder: EncoderSpec | None = None
    """Which encoder the checkpoint holds, as taken from the run."""

    storage: StorageSpec | None = None
    """How its storage is reached, as taken from the run."""

    conditions: list[Condition] = Field(default_factory=list)
    """Conditions for programs: Admitted, CheckpointHeld, Evaluated, Failed."""

    suites: list[SuiteStatus] = Field(default_factory=list)
    """One entry per suite."""

    retry_request: str = ""
    """Text of the annotation webssl.dev/retry that was taken up or refused last."""

    completion_time: str | None = None
    """When the last suite was over (RFC 3339)."""


class WebSSLEvaluation(ApiModel):
    """Suites on one checkpoint."""

    api_version: Literal["webssl.dev/v1alpha1"] = "webssl.dev/v1alpha1"
    kind: Literal["WebSSLEvaluation"] = "WebSSLEvaluation"
    metadata: ObjectMeta
    spec: WebSSLEvaluationSpec
    status: EvaluationObjectStatus = Field(default_factory=EvaluationObjectStatus)

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            message="metadata.name {metadata.name} is longer than 40 characters, and pod names are made from it: shorten it",
            check=lambda self: len(self.metadata.name) <= MAX_NAME_LENGTH,
        ),
    )

    @classmethod
    def parse(cls, manifest: dict[str, Any]) -> WebSSLEvaluation:
        """Read a manifest as the API server serves it. Raises pydantic.ValidationError naming field and value."""
        return cls.model_validate(manifest)


EVALUATION = Kind(
    name=KIND,
    plural=PLURAL,
    singular="websslevaluation",
    short_names=("wse",),
    model=WebSSLEvaluation,
    spec="Which checkpoint is scored, with what, and by whom.",
    status="Observed state of the evaluation.",
    columns=(
        Column("Phase", "string", ".status.phase", "Where the evaluation stands"),
        Column("Suites", "string", ".status.summary", "Suites done / all"),
        Column("Digest", "string", ".status.checkpointDigest", "Digest of the checkpoint", 1),
        Column("Checkpoint", "string", ".spec.checkpoint.uri", "Folder of the checkpoint", 1),
        Column(
            "Message", "string", ".status.message", "What is waited for, or which suites failed and why", 1
        ),
        Column("Age", "date", ".metadata.creationTimestamp", "Time since creation"),
    ),
)
