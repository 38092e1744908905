"""`spec.data`: which images are seen, from where, and in which order."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule
from webssl_api.uris import StorageUri, is_storage_uri, uri_cel, uri_message


class SecretRef(ApiModel):
    """The name of a Secret in the run's namespace."""

    name: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
    """Name of the Secret; it holds the keys AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."""


class StorageSpec(ApiModel):
    """How the object storage is reached. Credentials stand in a Secret, never here."""

    endpoint: Annotated[str, Field(max_length=512, pattern=r"^https?://[^\s@]+$")] | None = None
    """Address of an S3-compatible server, such as http://s3.storage.svc:8333; unset for the cloud provider's own."""

    region: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Region of the bucket, where the server asks for one."""

    secret_ref: SecretRef | None = None
    """Secret with the access keys; unset when the pod's service account carries the rights."""


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

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=uri_cel("source"),
            message=uri_message("spec.data.source", "source"),
            check=lambda self: is_storage_uri(self.source),
        ),
        Rule(
            cel="self.source.endsWith('.tar') || self.source.endsWith('.txt')",
            message="spec.data.source {source} names no shards: end it in .tar (brace range or glob) or in .txt (a list of shards)",
            check=lambda self: self.source.endswith((".tar", ".txt")),
        ),
    )
