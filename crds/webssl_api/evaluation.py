"""`spec.evaluation`: the suites that score a run's checkpoints."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.evaluation_probes import AlignmentSuite, DepthSuite, LinearSuite, SegmentationSuite
from webssl_api.evaluation_vqa import VqaSuite
from webssl_api.evaluation_zeroshot import ZeroshotSuite
from webssl_api.uris import StorageUri, uri_rule
from webssl_api.workers import PodTemplateSpec


class KnnSuite(ApiModel):
    """k-NN classification of frozen CLS features on a labelled image set."""

    train: StorageUri
    """Labelled images to vote with: shards with .cls members (brace range or glob ending in .tar)."""

    test: StorageUri
    """Labelled images to classify, in the same layout."""

    k: Annotated[int, Field(ge=1, le=1000)] = 20
    """Neighbours that vote."""

    temperature: Annotated[float, Field(gt=0, le=10)] = 0.07
    """Temperature of the votes: weight exp(similarity / temperature)."""

    resolution: Annotated[int, Field(ge=16, le=2048)] | None = None
    """Side of the images in pixels; unset: that of the run's last stage."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.evaluation.suites.knn", "train"),
        uri_rule("spec.evaluation.suites.knn", "test"),
    )


KINDS = ("vqa", "knn", "linear", "segmentation", "depth", "alignment", "zeroshot")
_NAMED = " and ".join([", ".join(KINDS[:-1]), KINDS[-1]])


class SuiteSpec(ApiModel):
    """One evaluation suite: exactly one kind. It runs as a Job of its own and is retried alone."""

    name: (
        Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None
    ) = None
    """Name of the suite in status and metrics; unset: its kind. Two suites of one kind need names."""

    vqa: VqaSuite | None = None
    """Visual question answering."""

    knn: KnnSuite | None = None
    """k-NN classification."""

    linear: LinearSuite | None = None
    """Linear classification."""

    segmentation: SegmentationSuite | None = None
    """Linear segmentation."""

    depth: DepthSuite | None = None
    """Monocular depth."""

    alignment: AlignmentSuite | None = None
    """Alignment with a language model."""

    zeroshot: ZeroshotSuite | None = None
    """Zero-shot classification and retrieval."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"[{', '.join(f'has(self.{kind})' for kind in KINDS)}].filter(x, x).size() == 1",
            message=f"spec.evaluation.suites: each suite must name exactly one of {_NAMED}: split it into two entries",
            check=lambda self: len(self._named()) == 1,
        ),
    )

    def _named(self) -> list[str]:
        return [kind for kind in KINDS if getattr(self, kind) is not None]

    @property
    def kind(self) -> str:
        """One of KINDS."""
        return self._named()[0]

    @property
    def key(self) -> str:
        """The suite's name in child objects, status and metrics."""
        return self.name or self.kind

    @property
    def digest(self) -> str:
        """SHA-256 of the settings in hex, defaults included; name and number of pods are none of them: they change no score."""
        settings = {name: value for name, value in self.to_dict().items() if name != "name"}
        settings.get("vqa", {}).get("benchmarks", {}).pop("pods", None)
        text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def pods(self) -> int:
        """How many pods share the suite's questions."""
        benchmarks = self.vqa.benchmarks if self.vqa is not None else None
        return benchmarks.pods if benchmarks is not None else 1


def suite_key_cel(suite: str) -> str:
    """The CEL form of `SuiteSpec.key`."""
    text = f"'{KINDS[-1]}'"
    for kind in reversed(KINDS[:-1]):
        text = f"(has({suite}.{kind}) ? '{kind}' : {text})"
    return f"(has({suite}.name) ? {suite}.name : {text})"


class PeriodicSpec(ApiModel):
    """Evaluation beside training, on pods of its own; it holds up neither a step nor the run's phase."""

    every_samples: Annotated[int, Field(ge=1)]
    """The first checkpoint at or after each multiple of so many samples is kept until it is scored, one checkpoint at a time."""

    suites: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=20)]], Field(min_length=1, max_length=32)
        ]
        | None
    ) = None
    """Names of the suites to run; unset: all."""


class EvaluationSpec(ApiModel):
    """What is measured on the final checkpoint, and on others on the way."""

    suites: Annotated[list[SuiteSpec], Field(max_length=32)] = Field(default_factory=list)
    """Suites to run when training is done; each is one Job, pinned to the checkpoint's digest."""

    periodic: PeriodicSpec | None = None
    """Score checkpoints while the run trains; unset: only the final one, and those asked for by annotation."""

    max_retries: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a suite's pod is tried again before the suite counts as failed."""

    template: PodTemplateSpec = Field(default_factory=PodTemplateSpec)
    """What an evaluation pod looks like."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.suites.all(a, self.suites.exists_one(b, {suite_key_cel('a')} == {suite_key_cel('b')}))",
            message="spec.evaluation.suites: two suites have the same name: give each a name of its own",
            check=lambda self: len({s.key for s in self.suites}) == len(self.suites),
        ),
        Rule(
            cel="!has(self.periodic) || !has(self.periodic.suites) || "
            f"self.periodic.suites.all(name, self.suites.exists(s, {suite_key_cel('s')} == name))",
            message="spec.evaluation.periodic.suites: each must be the name of one of spec.evaluation.suites",
            check=lambda self: (
                {*((self.periodic and self.periodic.suites) or ())} <= {s.key for s in self.suites}
            ),
        ),
        Rule(
            cel="!has(self.periodic) || self.suites.size() > 0",
            message="spec.evaluation.periodic has no suites to run: list them in spec.evaluation.suites",
            check=lambda self: self.periodic is None or bool(self.suites),
        ),
    )

    def periodic_suites(self) -> list[SuiteSpec]:
        """Suites that run beside training."""
        if self.periodic is None:
            return []
        names = self.periodic.suites
        return [suite for suite in self.suites if names is None or suite.key in names]
