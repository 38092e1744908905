"""`spec.evaluation`: the suites that score the final checkpoint."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.evaluation_probes import AlignmentSuite, DepthSuite, LinearSuite, SegmentationSuite
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


class VqaBenchmarks(ApiModel):
    """Published benchmarks that the tuned model answers; see `webssl eval data check`."""

    data: StorageUri
    """Folder with one folder a benchmark, by its name, in the benchmark's published file layout."""

    only: (
        Annotated[
            list[Annotated[str, Field(min_length=1, max_length=40)]], Field(min_length=1, max_length=64)
        ]
        | None
    ) = None
    """Names of the benchmarks to ask; unset: all. Means over fewer are labelled partial."""

    shards: Annotated[int, Field(ge=1, le=256)] = 1
    """Shards that the questions of each benchmark are cut into, each for a suite of its own; `webssl eval score` merges them."""

    shard: Annotated[int, Field(ge=0, le=255)] = 0
    """Which shard this suite asks, from 0."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.evaluation.suites.vqa.benchmarks", "data"),
        Rule(
            cel="self.shard < self.shards",
            message="spec.evaluation.suites.vqa.benchmarks.shard {shard} is none of {shards} shards: count from 0",
            check=lambda self: self.shard < self.shards,
        ),
    )


class VqaSuite(ApiModel):
    """Visual question answering: frozen encoder, MLP projector, pretrained language model, greedy answers."""

    train: StorageUri
    """Questions that tune the projector: a .jsonl file with id, image, question and answer per line."""

    test: StorageUri
    """Held-out questions, in the same layout."""

    language_model: Annotated[str, Field(min_length=1, max_length=512)]
    """Causal language model: a folder for transformers, or package:NAME for one that a Python package carries."""

    visual_tokens: Annotated[int, Field(ge=1, le=4096)] = 576
    """Tokens per image after bilinear resizing of the patch grid (a square number)."""

    steps: Annotated[int, Field(ge=1, le=1000000)] = 4882
    """Optimizer steps of the projector (the paper: one epoch of 2.5M pairs at batch 512)."""

    batch_size: Annotated[int, Field(ge=1, le=65536)] = 512
    """Questions per optimizer step."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Peak learning rate of the projector (cosine, warm-up over 6 % of the steps)."""

    max_questions: Annotated[int, Field(ge=1, le=10**7)] | None = None
    """Held-out questions that are asked, from the front of the file; unset: all."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the projector's weights and of the order of questions."""

    benchmarks: VqaBenchmarks | None = None
    """Published benchmarks to ask as well; the projector is then tuned on messages in the language model's chat template."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.evaluation.suites.vqa", "train"),
        uri_rule("spec.evaluation.suites.vqa", "test"),
        Rule(
            cel="[1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 144, 196, 256, 324, 400, 576, 729, 784, 1024, 1296, 1369, 1600,"
            " 2304, 4096].exists(n, n == self.visualTokens)",
            message="spec.evaluation.suites.vqa.visualTokens {visual_tokens} is no square: use 16, 64, 144, 256 or 576",
            check=lambda self: (
                self.visual_tokens
                in {
                    1,
                    4,
                    9,
                    16,
                    25,
                    36,
                    49,
                    64,
                    81,
                    100,
                    144,
                    196,
                    256,
                    324,
                    400,
                    576,
                    729,
                    784,
                    1024,
                    1296,
                    1369,
                    1600,
                }
                | {2304, 4096}
            ),
        ),
    )


KINDS = ("vqa", "knn", "linear", "segmentation", "depth", "alignment")
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


def _key_cel(suite: str) -> str:
    """The CEL form of `SuiteSpec.key`."""
    text = f"'{KINDS[-1]}'"
    for kind in reversed(KINDS[:-1]):
        text = f"(has({suite}.{kind}) ? '{kind}' : {text})"
    return f"(has({suite}.name) ? {suite}.name : {text})"


class EvaluationSpec(ApiModel):
    """What is measured on the final checkpoint."""

    suites: Annotated[list[SuiteSpec], Field(max_length=32)] = Field(default_factory=list)
    """Suites to run when training is done; each is one Job, pinned to the checkpoint's digest."""

    max_retries: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a suite's pod is tried again before the suite counts as failed."""

    template: PodTemplateSpec = Field(default_factory=PodTemplateSpec)
    """What an evaluation pod looks like."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.suites.all(a, self.suites.exists_one(b, {_key_cel('a')} == {_key_cel('b')}))",
            message="spec.evaluation.suites: two suites have the same name: give each a name of its own",
            check=lambda self: len({s.key for s in self.suites}) == len(self.suites),
        ),
    )
