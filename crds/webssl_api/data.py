"""`spec.data`: which images are seen, from where, and in which order."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from webssl_api.base import ApiModel, Rule
from webssl_api.data_cache import DataCacheSpec
from webssl_api.predicate import parse_predicate
from webssl_api.uris import StorageUri, uri_rule


class SecretRef(ApiModel):
    """The name of a Secret in the run's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """Name of the Secret; it holds the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or those of another cloud."""

    cloud: Literal["s3", "gs", "az"] = "s3"
    """Whose keys it holds: gs, GOOGLE_SERVICE_ACCOUNT_KEY; az, AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY."""


class StorageSpec(ApiModel):
    """How the object storage is reached. Credentials stand in a Secret, never here."""

    endpoint: Annotated[str, Field(max_length=512, pattern=r"^https?://[^\s@]+$")] | None = None
    """Address of an S3-compatible server, such as http://s3.storage.svc:8333; unset for the cloud provider's own."""

    region: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Region of the bucket, where the server asks for one."""

    secret_ref: SecretRef | None = None
    """Secret with the access keys; unset when the pod's service account carries the rights."""


def _shard_rules(where: str) -> tuple[Rule, ...]:
    """The rules of the fields `source` and `index` of the object that messages call `where`."""
    return (
        uri_rule(where, "source"),
        Rule(
            cel="self.source.endsWith('.tar') || self.source.endsWith('.txt')",
            message=f"{where}.source {{source}} names no shards: end it in .tar (brace range or glob) or in .txt (a list of shards)",
            check=lambda self: self.source.endswith((".tar", ".txt")),
        ),
        uri_rule(where, "index", optional=True),
    )


class FilterSpec(ApiModel):
    """Which samples are seen, by a table of keys; the shards stay as they are."""

    table: StorageUri
    """Parquet or Arrow file, or a glob of them, with a row for each sample: columns shard and key, or sample_id, or key alone."""

    where: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """Condition on the table's columns, such as text_class in (light, heavy) or text_area > 0.2; unset takes every row."""

    max_unmatched_fraction: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Largest share of chosen rows without a sample in the shards, and beside where of samples without a row, before the run stops."""

    rules: ClassVar[tuple[Rule, ...]] = (uri_rule("spec.data.filter", "table"),)

    @field_validator("where")
    @classmethod
    def _is_condition(cls, where: str | None) -> str | None:
        if where is not None:
            parse_predicate(where)
        return where


class MixedSourceSpec(ApiModel):
    """Further shards of a mixture."""

    source: StorageUri
    """Shards to read, as in spec.data.source."""

    weight: Annotated[float, Field(gt=0, le=1000000)] = 1.0
    """Share of the samples seen that come from here, relative to the other weights."""

    filter: FilterSpec | None = None
    """Which of these samples are seen."""

    index: StorageUri | None = None
    """Folder with the index of these shards, where it does not lie beside them."""

    rules: ClassVar[tuple[Rule, ...]] = _shard_rules("spec.data.mix[]")


class DataSpec(ApiModel):
    """The training images: tar shards in the WebDataset layout, read as they are."""

    source: StorageUri
    """Shards to read: a brace range such as s3://mc2b/shards/{000000..099999}.tar, a glob, or a .txt file that lists shards."""

    storage: StorageSpec = Field(default_factory=StorageSpec)
    """How the storage of the shards, and of the checkpoints, is reached."""

    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Seed of the sample order and of every random draw in training."""

    max_bad_fraction: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Largest share of samples that may be broken before the run stops with an error; broken ones are counted, logged and replaced."""

    loader_threads: Annotated[int, Field(ge=0, le=128)] = 4
    """Threads per process that read and decode images; 0 reads in the training thread."""

    index: StorageUri | None = None
    """Folder that `webssl index` wrote; unset looks beside the shards, and a run without any makes its own."""

    neighbours: Literal[1, 2, 4, 8, 16, 32, 64] | None = None
    """Samples side by side in a shard that follow each other in the order, so that a request brings them; unset: up to 16 of large data."""

    filter: FilterSpec | None = None
    """Which samples of the source are seen."""

    weight: Annotated[float, Field(gt=0, le=1000000)] | None = None
    """Share of the samples seen that come from source, relative to the weights in mix; 1 when unset."""

    mix: Annotated[list[MixedSourceSpec], Field(min_length=1, max_length=15)] | None = None
    """Further sources, mixed in by weight; each has epochs of its own."""

    cache: DataCacheSpec | None = None
    """A local disk for blocks of the shards; it is used where a worker needs most of what it reads, so with one or two workers."""

    rules: ClassVar[tuple[Rule, ...]] = _shard_rules("spec.data")
