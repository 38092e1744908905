"""The kind `WebSSLCuration`: every image of a data set is scored once, and the table that `spec.data.filter` reads comes out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.curation_status import CurationStatus
from webssl_api.data import StorageSpec
from webssl_api.kind import GROUP, VERSION, Column, Kind
from webssl_api.run import MAX_NAME_LENGTH, ObjectMeta
from webssl_api.uris import StorageUri, one_folder_rule, uri_rule
from webssl_api.workers import PodTemplateSpec

__all__ = ["GROUP", "KIND", "PLURAL", "VERSION", "Engine", "WebSSLCuration", "WebSSLCurationSpec"]

KIND = "WebSSLCuration"
PLURAL = "websslcurations"
SINGULAR = "websslcuration"
SHORT_NAMES = ("wsc",)

# The paper's questions (its light and heavy text filters).
LIGHT_QUESTION = "Does this image contain any readable text? Answer only yes or no."
HEAVY_QUESTION = (
    "Please think carefully before answering. Does this image contain charts, tables, or documents with readable text? "
    "Answer only yes or no."
)
LIGHT_SHARE, HEAVY_SHARE = 0.503, 0.013
"""Shares of MC-2B that the paper's light and heavy filters keep."""


class Engine(StrEnum):
    """What runs the pass on a cluster."""

    AUTO = "auto"
    RAY = "ray"
    JOB = "job"


class CurationDataSpec(ApiModel):
    """The images to score: tar shards in the WebDataset layout, read as they are."""

    source: StorageUri
    """Shards to read: a brace range such as s3://mc2b/shards/{000000..099999}.tar, a glob, or a .txt file that lists shards."""

    storage: StorageSpec = Field(default_factory=StorageSpec)
    """How the storage of the shards, and of the table, is reached."""

    index: StorageUri | None = None
    """Folder that `webssl index` wrote; unset looks beside the shards, and a pass without any makes its own."""

    max_pixels: Annotated[int, Field(ge=1024, le=2**31 - 1)] = 178_956_970
    """Images with more pixels than this are not decoded: their row names the cause and has no scores."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.data", "source"),
        Rule(
            cel="self.source.endsWith('.tar') || self.source.endsWith('.txt')",
            message="spec.data.source {source} names no shards: end it in .tar (brace range or glob) or in .txt (a list of shards)",
            check=lambda self: self.source.endswith((".tar", ".txt")),
        ),
    )


class TextScorer(ApiModel):
    """A text detector, which needs no language: columns text_area, text_boxes, text_density, text_length and text_class."""

    side: Annotated[int, Field(ge=64, le=2048)] = 448
    """Longer side of the image as the detector sees it, in pixels; smaller images are not enlarged."""

    light_share: Annotated[float, Field(gt=0, le=1)] = LIGHT_SHARE
    """Share of the images whose text_class is light or heavy, from which the threshold of text_length follows."""

    heavy_share: Annotated[float, Field(gt=0, le=1)] = HEAVY_SHARE
    """Share of the images whose text_class is heavy, from which the threshold of text_density follows."""

    light_threshold: Annotated[float, Field(ge=0)] | None = None
    """Text length from which an image is light; unset: found from lightShare over the data set."""

    heavy_threshold: Annotated[float, Field(ge=0)] | None = None
    """Text density from which a light image is heavy; unset: found from heavyShare over the data set."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.heavyShare <= self.lightShare",
            message="spec.scorers.text.heavyShare {heavy_share} is above lightShare {light_share}: every heavy image is a light one",
            check=lambda self: self.heavy_share <= self.light_share,
        ),
    )


class VlmScorer(ApiModel):
    """A vision-language model that answers yes or no: columns text_light and text_heavy, and text_class without the text scorer."""

    model: StorageUri
    """Folder of a model that transformers loads as image-text-to-text, such as file:///models/smolvlm2."""

    light_question: Annotated[str, Field(min_length=1, max_length=1024)] = LIGHT_QUESTION
    """Question whose yes makes an image light."""

    heavy_question: Annotated[str, Field(min_length=1, max_length=1024)] = HEAVY_QUESTION
    """Question whose yes makes an image heavy."""

    batch_size: Annotated[int, Field(ge=1, le=1024)] = 8
    """Images asked about at the same time."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.scorers.vlm", "model"),
        one_folder_rule("spec.scorers.vlm", "model"),
    )


class DuplicatesScorer(ApiModel):
    """Exact and near duplicates: columns file_hash, pixel_hash, picture_hash, detail_hash, duplicate_of and duplicate_kind."""

    near: bool = True
    """Look for near duplicates too, by perceptual hash."""

    max_distance: Annotated[int, Field(ge=0, le=7)] = 4
    """Differing bits of 64 up to which two perceptual hashes are near duplicates."""


class QualityScorer(ApiModel):
    """Size and quality: columns width, height, aspect, bytes, sharpness, grey and blank."""

    side: Annotated[int, Field(ge=32, le=2048)] = 256
    """Longer side in pixels at which sharpness, grey and blank are measured, so that they compare across sizes."""


SCORERS = ("text", "vlm", "duplicates", "quality")


class ScorersSpec(ApiModel):
    """What is measured of each image; each scorer adds its columns to the table."""

    text: TextScorer | None = None
    """Text area, box count and density by a text detector."""

    vlm: VlmScorer | None = None
    """Answers of a vision-language model, the paper's way."""

    duplicates: DuplicatesScorer | None = None
    """Exact and near duplicates."""

    quality: QualityScorer | None = None
    """Size, sharpness, and shares of grey and blank."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=" || ".join(f"has(self.{name})" for name in SCORERS),
            message=f"spec.scorers is empty: name at least one of {', '.join(SCORERS)}",
            check=lambda self: bool(self.named()),
        ),
    )

    def named(self) -> list[str]:
        """Names of the scorers that are asked for, in the order of SCORERS."""
        return [name for name in SCORERS if getattr(self, name) is not None]


class CurationOutputSpec(ApiModel):
    """Where the table goes."""

    uri: StorageUri
    """Folder of the table, such as s3://mc2b/scores; parts of a pass lie in it too, so that a stopped pass goes on."""

    rules: ClassVar[tuple[Rule, ...]] = (
        uri_rule("spec.output", "uri"),
        one_folder_rule("spec.output", "uri"),
    )


class WebSSLCurationSpec(ApiModel):
    """Which images are scored, by what, and where the table goes."""

    data: CurationDataSpec
    """The images."""

    scorers: ScorersSpec
    """What is measured."""

    output: CurationOutputSpec
    """Where the table goes."""

    engine: Engine = Engine.AUTO
    """Ray takes a RayJob of KubeRay, job an Indexed Job by shard range; auto takes ray where KubeRay is installed, else job."""

    ranges: Annotated[int, Field(ge=1, le=1000)] = 1
    """Parts that the shards are cut into, in order: the completions of the Indexed Job. Each is retried alone."""

    parallelism: Annotated[int, Field(ge=1, le=1000)] = 1
    """Pods that score at the same time: of the Indexed Job, or Ray workers."""

    max_retries: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a range that failed is tried again before the pass counts as failed; scored shards are not scored again."""

    max_bad_share: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Largest share of images without scores before the pass ends with an error; each has a row that names its cause."""

    template: PodTemplateSpec = Field(default_factory=PodTemplateSpec)
    """What a scoring pod looks like."""

    suspend: bool = False
    """Stop the pass and free its pods; scored shards stay, and false goes on from there."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.data == oldSelf.data && self.scorers == oldSelf.scorers && self.output == oldSelf.output && "
            "self.ranges == oldSelf.ranges",
            message="spec.data, spec.scorers, spec.output and spec.ranges cannot be changed: the table depends on them; "
            "create a new WebSSLCuration",
        ),
    )


class WebSSLCuration(ApiModel):
    """One pass over a data set that scores every image and writes the table of spec.data.filter."""

    api_version: Literal["webssl.dev/v1alpha1"] = "webssl.dev/v1alpha1"
    kind: Literal["WebSSLCuration"] = "WebSSLCuration"
    metadata: ObjectMeta
    spec: WebSSLCurationSpec
    status: CurationStatus = Field(default_factory=CurationStatus)

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.metadata.name.size() <= {MAX_NAME_LENGTH}",
            message="metadata.name {metadata.name} is longer than 40 characters, and pod names are made from it: shorten it",
            check=lambda self: len(self.metadata.name) <= MAX_NAME_LENGTH,
        ),
    )

    @classmethod
    def parse(cls, manifest: dict[str, Any]) -> WebSSLCuration:
        """Read a manifest as the API server serves it. Raises pydantic.ValidationError naming field and value."""
        return cls.model_validate(manifest)


CURATION_KEY = "curation.yaml"


class ResolvedCuration(ApiModel):
    """`curation.yaml` in the pass's ConfigMap: all that a pod must know about it, every default filled in."""

    name: str
    namespace: str
    uid: str
    spec: WebSSLCurationSpec

    @classmethod
    def of(cls, curation: WebSSLCuration) -> ResolvedCuration:
        """The resolved form of `curation`."""
        meta = curation.metadata
        return cls(name=meta.name, namespace=meta.namespace, uid=meta.uid, spec=curation.spec)

    def to_yaml(self) -> str:
        """YAML text, stable for equal passes."""
        return yaml.safe_dump(self.to_dict(), sort_keys=True)

    @classmethod
    def from_yaml(cls, text: str) -> ResolvedCuration:
        """Read it back. Raises pydantic.ValidationError naming field and value."""
        return cls.model_validate(yaml.safe_load(text))


CURATION = Kind(
    name=KIND,
    plural=PLURAL,
    singular=SINGULAR,
    short_names=SHORT_NAMES,
    model=WebSSLCuration,
    spec="Which images are scored, by what, and where the table goes.",
    status="Observed state of the pass.",
    columns=(
        Column("Phase", "string", ".status.phase", "Where the pass stands"),
        Column("Progress", "integer", ".status.percent", "Samples scored, in per cent"),
        Column("Shards", "integer", ".status.shardsDone", "Shards whose part of the table is written"),
        Column("Rows", "integer", ".status.rows", "Rows written"),
        Column("Img/s", "number", ".status.imagesPerSecond", "Images per second over all pods"),
        Column("Engine", "string", ".status.engine", "What runs it", 1),
        Column("Table", "string", ".status.tableUri", "Address for spec.data.filter.table", 1),
        Column("Message", "string", ".status.message", "What the pass waits for, or why it failed", 1),
        Column("Age", "date", ".metadata.creationTimestamp", "Time since creation"),
    ),
)
