"""Suites that read frozen features by linear heads, and the one that compares them with language; see docs/design/0014-probes.md.

Source of the defaults: Oquab et al., "DINOv2" (2023), its settings of ImageNet-1k, ADE20K and NYUv2, which "Scaling
Language-Free Visual Representation Learning" (arXiv 2504.01017) follows. Sides are the published 512, 640 and 480 pixels,
padded to whole patches of 14 as there.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.uris import StorageUri, uri_rule

Steps = Annotated[int, Field(ge=1, le=1000000)]
BatchSize = Annotated[int, Field(ge=1, le=65536)]
Side = Annotated[int, Field(ge=16, le=2048)]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
PUBLISHED_RATES = (1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1)


_SUITES = "spec.evaluation.suites"


class LinearSuite(ApiModel):
    """Linear classification of frozen features: a grid of heads is trained at once, and the best one is reported."""

    train: StorageUri
    """Labelled images to train on: shards with .cls members (brace range or glob ending in .tar), or a folder of class folders."""

    test: StorageUri
    """Labelled images to classify, in the same layout."""

    steps: Steps = 12500
    """Steps of SGD (published: 12500)."""

    batch_size: BatchSize = 1024
    """Images per step."""

    learning_rates: Annotated[
        list[Annotated[float, Field(gt=0, le=100)]], Field(min_length=1, max_length=64)
    ] = Field(default=list(PUBLISHED_RATES))
    """Rates of the grid for a batch of 256; they are scaled by batchSize / 256 (published: 13 from 1e-5 to 0.1)."""

    augment: bool = True
    """Random resized crops and flips, encoded anew in every step (published); false encodes each image once, which is far cheaper."""

    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the training images by which the best head is chosen; 0 chooses on the test images (published)."""

    resolution: Side | None = None
    """Side of the images in pixels; unset: that of the run's last stage."""

    seed: Seed = 0
    """Seed of the heads, of the order of images and of their crops."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule(f"{_SUITES}.linear", "train"),
        uri_rule(f"{_SUITES}.linear", "test"),
    )


class SegmentationSuite(ApiModel):
    """Linear segmentation of frozen patch features: batch norm and one linear map per patch."""

    train: StorageUri
    """Images to train on: a folder with images/ and annotations/ (or one below images/), or shards with .seg.png members."""

    test: StorageUri
    """Images to segment, in the same layout."""

    variant: Literal["linear", "ms"] = "linear"
    """linear: the last layer, one scale. ms: the last four layers, and averages over scales and mirrored images."""

    classes: Annotated[int, Field(ge=2, le=65535)] = 150
    """Number of classes (ADE20K: 150)."""

    ignored: Annotated[int, Field(ge=0, le=65535)] = 0
    """Value of pixels that do not count. 0: classes are the values from 1 on (ADE20K); else they are the values from 0 on."""

    steps: Steps = 40000
    """Steps of AdamW (published: 40000)."""

    batch_size: BatchSize = 16
    """Images per step."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Learning rate, falling in a line to 0 over all steps, after a linear warm-up over 1500 of them (at most a tenth of all)."""

    augment: bool = True
    """Random scales from 0.5 to 2, crops and flips, encoded anew in every step; false encodes each image's centre once."""

    resolution: Side | None = None
    """Side of crops and windows in pixels, a multiple of the patch size; unset: 518, or 644 for ms (published)."""

    seed: Seed = 0
    """Seed of the head, of the order of images and of their crops."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule(f"{_SUITES}.segmentation", "train"),
        uri_rule(f"{_SUITES}.segmentation", "test"),
    )


class DepthSuite(ApiModel):
    """Monocular depth from frozen features: one linear map to 256 bins of depth."""

    train: StorageUri
    """Images to train on: a folder with images/ and annotations/ (or one below images/), or shards with .depth.png members."""

    test: StorageUri
    """Images to measure, in the same layout."""

    variant: Literal["linear", "lin4"] = "linear"
    """linear: the last layer. lin4: the layers at 1/4, 1/2, 3/4 and the end of the encoder."""

    unit: Annotated[float, Field(gt=0, le=10)] = 0.001
    """Metres per unit of the 16-bit depth images, in which 0 is no measurement (NYUv2: millimetres)."""

    min_depth: Annotated[float, Field(gt=0, le=1000)] = 0.001
    """Depth of the first bin in metres; nothing nearer is scored."""

    max_depth: Annotated[float, Field(gt=0, le=1000)] = 10.0
    """Depth of the last bin in metres; nothing farther is scored."""

    eigen_crop: bool = True
    """Score only inside the usual frame of NYUv2: rows 45 to 470 of 480, columns 41 to 600 of 640."""

    steps: Steps = 38400
    """Steps of AdamW (published: 38400)."""

    batch_size: BatchSize = 16
    """Images per step."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    """Learning rate: half a cosine over all steps, times a linear warm-up over a third of them, so that 3/4 of it are reached."""

    augment: bool = True
    """Random crops and flips, encoded anew in every step; false encodes each image's centre once."""

    resolution: Side | None = None
    """Side of crops and windows in pixels, a multiple of the patch size; unset: 490 (published)."""

    seed: Seed = 0
    """Seed of the head, of the order of images and of their crops."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule(f"{_SUITES}.depth", "train"),
        uri_rule(f"{_SUITES}.depth", "test"),
        Rule(
            cel="self.minDepth < self.maxDepth",
            message="spec.evaluation.suites.depth.minDepth {min_depth} is not below maxDepth {max_depth}: lower it",
            check=lambda self: self.min_depth < self.max_depth,
        ),
    )


class AlignmentSuite(ApiModel):
    """Alignment with a language model: do images and their captions have the same neighbours?"""

    pairs: StorageUri
    """Images with captions: shards with .txt members, or a folder with a .txt file beside each image."""

    language_model: Annotated[str, Field(min_length=1, max_length=512)]
    """Causal language model: a folder for transformers, or package:NAME for one that a Python package carries."""

    k: Annotated[int, Field(ge=1, le=1000)] = 10
    """Neighbours that are compared."""

    max_pairs: Annotated[int, Field(ge=2, le=65536)] = 1024
    """Pairs that are used, from the front of the set (published: 1024); the score depends on their number."""

    max_tokens: Annotated[int, Field(ge=1, le=8192)] = 512
    """Tokens of a caption that are read."""

    resolution: Side | None = None
    """Side of the images in pixels; unset: that of the run's last stage."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule(f"{_SUITES}.alignment", "pairs"),
        Rule(
            cel="self.k < self.maxPairs",
            message="spec.evaluation.suites.alignment.k {k} is not below maxPairs {max_pairs}: lower it",
            check=lambda self: self.k < self.max_pairs,
        ),
    )
