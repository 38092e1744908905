"""`spec.data.cache`: a local disk for blocks of shards."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from webssl_api.base import ApiModel, Rule

_UNITS = {"Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_FILES_SHARE = 95


class DataCacheSpec(ApiModel):
    """Where blocks of the shards are kept on a local disk of each worker, so that a few long reads replace a request for each sample."""

    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}(Mi|Gi|Ti)$")]
    """Most space it takes, such as 100Gi; two windows of the sample order fit in 64Gi."""

    storage_class_name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Storage class of a volume that is made for each pod; unset takes the node's own disk (emptyDir)."""

    path: Annotated[str, Field(max_length=1024, pattern=r"^/.")] | None = None
    """Folder to use instead of a volume made for this, such as the mount of a volume in workers.template, or a disk without Kubernetes."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.path) || !has(self.storageClassName)",
            message="spec.data.cache.path {path} is a folder that exists, so storageClassName has no use: remove one of them",
            check=lambda self: self.path is None or self.storage_class_name is None,
        ),
    )

    @property
    def max_bytes(self) -> int:
        """Bytes of files that fit: 95 % of `size`, since a disk counts whole blocks and folders too."""
        return int(self.size[:-2]) * _UNITS[self.size[-2:]] * _FILES_SHARE // 100
