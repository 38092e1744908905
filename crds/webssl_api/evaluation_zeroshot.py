"""The suite that gives a frozen encoder a text tower (LiT); see docs/evaluation.md.

Source: Zhai et al., "LiT: Zero-Shot Transfer with Locked-image text Tuning" (2022) and the settings of its reference code
(rate, decay, warm-up, clipping, 16 tokens, no map on the image side; batch and steps are those of its public example).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.alias_generators import to_camel

from webssl_api.base import ApiModel, Rule
from webssl_api.evaluation_probes import BatchSize, Seed, Side, Steps
from webssl_api.objective_clip import ContrastiveLoss
from webssl_api.uris import FORMS, StorageUri, is_storage_uri, uri_cel, uri_rule

_HERE = "spec.evaluation.suites.zeroshot"


class Reading(StrEnum):
    """What stands for an image: the final CLS token, the mean of the final patch tokens, or both behind one another."""

    CLS = "cls"
    MEAN = "mean"
    BOTH = "clsMean"


class ImageProjection(StrEnum):
    """What is learned on the image side beside the locked encoder."""

    NONE = "none"
    LINEAR = "linear"


class TextTowerSize(StrEnum):
    """Text towers by the size of the vision transformer that they usually stand beside."""

    TINY = "tiny"
    S = "S"
    B = "B"
    M300 = "300M"
    M700 = "700M"
    B1 = "1B"


def _address_rule(field: str) -> Rule:
    """`uri_rule` for an optional field of two words."""
    name = to_camel(field)
    return Rule(
        cel=f"!has(self.{name}) || {uri_cel(name)}",
        message=f"{_HERE}.{name} {{{field}}} is not a storage address: write {FORMS}",
        check=lambda self: getattr(self, field) is None or is_storage_uri(getattr(self, field)),
    )


class ZeroshotSuite(ApiModel):
    """Zero-shot classification and retrieval: a text tower is trained beside the frozen encoder (LiT), then asked."""

    pairs: StorageUri
    """Images with captions to train on: shards with .txt members, a folder with NAME.txt beside each image, or a .json of captions."""

    test: StorageUri | None = None
    """Labelled images to classify, in the layouts of the knn suite."""

    class_names: StorageUri | None = None
    """What the classes are called: a text file with a name per line in the order of the classes, or JSON; unset: test's own names."""

    prompts: StorageUri | None = None
    """Text file with a template per line, {} in the place of the name; unset: twelve of ours, in English."""

    test_pairs: StorageUri | None = None
    """Held-out images with one or several captions each for retrieval, in the layouts of pairs."""

    max_pairs: Annotated[int, Field(ge=2, le=10**7)] = 10**6
    """Pairs to train on, from the front of the set: what is read of each image is kept on the scratch volume."""

    tokenizer: Annotated[str, Field(min_length=1, max_length=1024)] = "clip"
    """Tokenizer: clip, bytes, or the address of a JSON file of the tokenizers library."""

    context_length: Annotated[int, Field(ge=4, le=4096)] = 16
    """Most tokens of a text, its start and end included; longer ones are cut (published: 16)."""

    text_tower: TextTowerSize = TextTowerSize.B
    """Text tower: the one that CLIP has beside a vision transformer of this size."""

    reading: Reading = Reading.CLS
    """What stands for an image: cls (published), mean (of the patches), or clsMean."""

    image_projection: ImageProjection = ImageProjection.NONE
    """none: texts are mapped into the encoder's own space (published). linear: a linear map of the image side is learned, too."""

    loss: ContrastiveLoss = ContrastiveLoss.INFONCE
    """infonce (published) or siglip."""

    steps: Steps = 5000
    """Steps of AdamW."""

    batch_size: BatchSize = 4096
    """Pairs per step; every image is compared with every caption of the step."""

    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Peak learning rate (linear warm-up over 3 % of the steps, then cosine to 0)."""

    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.01
    """Weight decay of matrices and embeddings."""

    resolution: Side | None = None
    """Side of the images in pixels; unset: that of the run's last stage."""

    seed: Seed = 0
    """Seed of the tower's weights, of the order of pairs and of the choice among an image's captions."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule(_HERE, "pairs"),
        uri_rule(_HERE, "test", optional=True),
        uri_rule(_HERE, "prompts", optional=True),
        _address_rule("class_names"),
        _address_rule("test_pairs"),
        Rule(
            cel="has(self.test) || has(self.testPairs)",
            message=f"{_HERE} has nothing to measure: name test (labelled images), testPairs (images with captions), or both",
            check=lambda self: self.test is not None or self.test_pairs is not None,
        ),
        Rule(
            cel="has(self.test) || (!has(self.classNames) && !has(self.prompts))",
            message=f"{_HERE}: classNames and prompts are of no use without test: name labelled images, or leave them out",
            check=lambda self: self.test is not None or (self.class_names is None and self.prompts is None),
        ),
        Rule(
            cel="!has(self.tokenizer) || self.tokenizer in ['clip', 'bytes'] || "
            f"(self.tokenizer.endsWith('.json') && {uri_cel('tokenizer')})",
            message=f"{_HERE}.tokenizer {{tokenizer}} is unknown: write clip, bytes, "
            "or the address of a JSON file such as s3://bucket/tokenizer.json",
            check=lambda self: (
                self.tokenizer in ("clip", "bytes")
                or (self.tokenizer.endswith(".json") and is_storage_uri(self.tokenizer))
            ),
        ),
    )
