"""The edge to object storage: one protocol over `s3://`, `gs://`, `az://`, `file://` and `memory://` URLs, with patience."""

from webssl_trainer.storage.addresses import canonical, join, scheme_of
from webssl_trainer.storage.classify import RETRY_CAUSES
from webssl_trainer.storage.direct_storage import DirectStorage
from webssl_trainer.storage.errors import (
    StorageDeniedError,
    StorageKeysError,
    StorageNotFoundError,
    StorageStoppedError,
    StorageUnavailableError,
)
from webssl_trainer.storage.fsspec_storage import FsspecStorage
from webssl_trainer.storage.hedging import HEDGES, HedgePolicy
from webssl_trainer.storage.options import StorageOptions
from webssl_trainer.storage.protocol import ByteRange, Came, ObjectInfo, Storage
from webssl_trainer.storage.reads_apart import ReadsApart, read_apart
from webssl_trainer.storage.retry import RetryPolicy, Waiting


def open_storage(options: StorageOptions | None = None) -> Storage:
    """The storage of this process; options default to the environment (AWS_ENDPOINT_URL, AWS_REGION)."""
    options = options or StorageOptions.from_env()
    return DirectStorage(options) if options.client == "direct" else FsspecStorage(options)


__all__ = [
    "HEDGES",
    "RETRY_CAUSES",
    "ByteRange",
    "Came",
    "DirectStorage",
    "FsspecStorage",
    "HedgePolicy",
    "ObjectInfo",
    "ReadsApart",
    "RetryPolicy",
    "Storage",
    "StorageDeniedError",
    "StorageKeysError",
    "StorageNotFoundError",
    "StorageOptions",
    "StorageStoppedError",
    "StorageUnavailableError",
    "Waiting",
    "canonical",
    "join",
    "open_storage",
    "read_apart",
    "scheme_of",
]
