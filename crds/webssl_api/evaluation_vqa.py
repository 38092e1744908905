"""The `vqa` suite of `spec.evaluation`: how the language model is tuned, and which questions are asked."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.uris import StorageUri, uri_rule


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

    pods: Annotated[int, Field(ge=1, le=256)] = 1
    """Pods that share the questions of each benchmark; the tuning is done once, and the last pod merges what all have answered."""

    shards: Annotated[int, Field(ge=1, le=256)] = 1
    """Without a cluster: shards that the questions are cut into, each for a suite of its own; `webssl eval score` merges them."""

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


_SUITE = "spec.evaluation.suites.vqa"
Steps = Annotated[int, Field(ge=1, le=1000000)]
Batch = Annotated[int, Field(ge=1, le=65536)]


class VqaStage2(ApiModel):
    """Projector and language model tuned together, after the projector alone. Defaults: Cambrian-1's, one epoch of 7M rows."""

    train: StorageUri | None = None
    """Questions or conversations, as in `train` of the suite; unset: the same."""

    images: StorageUri | None = None
    """Folder of their images; unset: the folder of the file."""

    steps: Steps = 13672
    """Optimizer steps (Cambrian-7M at batch 512: one epoch)."""

    batch_size: Batch = 512
    """Questions or conversations per optimizer step, on all processes together."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 4e-5
    """Peak learning rate (cosine, warm-up over 3 % of the steps)."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule(f"{_SUITE}.stage2", "train", optional=True),
        uri_rule(f"{_SUITE}.stage2", "images", optional=True),
    )


class VqaFeatures(ApiModel):
    """Where the visual tokens of training images are kept between their uses."""

    scratch_gi_b: Annotated[int, Field(ge=0, le=1000000)] = Field(default=256, alias="scratchGiB")
    """Most GiB of the scratch volume that they may take; what would not fit is encoded anew at each use."""

    keep: bool = False
    """Keep them on storage as well, beside the checkpoint, for later suites and retries on other nodes."""


class VqaSuite(ApiModel):
    """Visual question answering: frozen encoder, MLP projector, pretrained language model, greedy answers."""

    train: StorageUri
    """What tunes the projector: JSON lines with id, image, question, answer; or conversations in LLaVA's layout (.json, .jsonl)."""

    images: StorageUri | None = None
    """Folder that the images of `train` are named from; unset: the folder of the file."""

    test: StorageUri
    """Held-out questions: a .jsonl file with id, image, question and answer per line."""

    language_model: Annotated[str, Field(min_length=1, max_length=512)]
    """Causal language model: a folder for transformers, or package:NAME for one that a Python package carries."""

    visual_tokens: Annotated[int, Field(ge=1, le=4096)] = 576
    """Tokens per image after bilinear resizing of the patch grid (a square number)."""

    layer: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Block whose patch tokens are used, behind the final norm, counted from 1; unset: the last one."""

    resolution: Annotated[int, Field(ge=16, le=2048)] | None = None
    """Side of the images in pixels; unset: that of the run's last stage."""

    steps: Steps = 4882
    """Optimizer steps of the projector (the paper: one epoch of 2.5M pairs at batch 512)."""

    batch_size: Batch = 512
    """Questions or conversations per optimizer step, on all processes together."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Peak learning rate of the projector (cosine, warm-up over 6 % of the steps)."""

    stage2: VqaStage2 | None = None
    """Tuning of projector and language model together; unset: the language model stays frozen."""

    max_length: Annotated[int, Field(ge=16, le=131072)] = 2048
    """Positions of a training sequence at the most, visual tokens included; the rest is cut off."""

    micro_batch_size: Annotated[int, Field(ge=1, le=65536)] = 32
    """Sequences per forward pass of one process; halved while they do not fit the memory. No result depends on it."""

    save_every: Annotated[int, Field(ge=1, le=1000000)] = 500
    """Steps between two saved states of the tuning, from which a retried pod goes on."""

    features: VqaFeatures = Field(default_factory=VqaFeatures)
    """Where the visual tokens of training images are kept."""

    max_questions: Annotated[int, Field(ge=1, le=10**7)] | None = None
    """Held-out questions that are asked, from the front of the file; unset: all."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the projector's weights and of the order of questions in both stages."""

    benchmarks: VqaBenchmarks | None = None
    """Published benchmarks to ask as well; the projector is then tuned on messages in the language model's chat template."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule(_SUITE, "train"),
        uri_rule(_SUITE, "images", optional=True),
        uri_rule(_SUITE, "test"),
        Rule(
            cel="self.visualTokens < self.maxLength",
            message=f"{_SUITE}.visualTokens {{visual_tokens}} leave no room for text in maxLength {{max_length}}: raise maxLength",
            check=lambda self: self.visual_tokens < self.max_length,
        ),
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
