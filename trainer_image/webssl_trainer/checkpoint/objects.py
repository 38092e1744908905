"""torch's distributed checkpoint (DCP) over our storage: a few large objects per process, each written and read whole with retries.

The objects and `.metadata` have the form that torch's own file-system reader understands, so a downloaded folder loads with plain
`torch.distributed.checkpoint`.
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import Future as ThreadFuture
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributed._shard._utils import narrow_tensor_by_index
from torch.distributed.checkpoint.filesystem import CURRENT_DCP_VERSION, _StorageInfo
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta
from torch.distributed.checkpoint.planner import (
    LoadItemType,
    LoadPlan,
    LoadPlanner,
    ReadItem,
    SavePlan,
    SavePlanner,
    WriteItem,
    WriteItemType,
)
from torch.distributed.checkpoint.storage import StorageReader, StorageWriter, WriteResult
from torch.futures import Future
from typing_extensions import override
from webssl_api.manifest import ObjectEntry

from webssl_trainer.storage import ByteRange, Storage, join

METADATA_NAME = ".metadata"
OBJECT_BYTES = 256 * 2**20
"""Objects are closed when they reach this many bytes."""
_IN_FLIGHT = 2
_READ_BYTES = 512 * 2**20


class ObjectStore:
    """Puts objects into one checkpoint folder, reads each back, and keeps its size and SHA-256.

    folder: URL. Not thread-safe beyond `put` itself.
    """

    def __init__(self, storage: Storage, folder: str) -> None:
        self._storage, self._folder = storage, folder
        self.entries: list[ObjectEntry] = []

    def put(self, path: str, data: bytes) -> None:
        """Write an object and verify it by reading it back. Raises OSError when what was read differs."""
        digest = hashlib.sha256(data).hexdigest()
        url = join(self._folder, path)
        self._storage.put(url, data)
        if hashlib.sha256(self._storage.read(url)).hexdigest() != digest:
            raise OSError(f"{url} does not hold what was written to it: check the storage server")
        self.entries.append(ObjectEntry(path=path, size=len(data), sha256=digest))


class ObjectWriter(StorageWriter):
    """One process's side of a sharded save."""

    def __init__(self, store: ObjectStore, object_bytes: int = OBJECT_BYTES) -> None:
        self._store = store
        self._object_bytes = object_bytes

    @override
    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """See StorageWriter."""

    @override
    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """See StorageWriter."""

    @override
    def prepare_local_plan(self, plan: SavePlan) -> SavePlan:
        """See StorageWriter."""
        return plan

    @override
    def prepare_global_plan(self, plans: list[SavePlan]) -> list[SavePlan]:
        """See StorageWriter: gives every process its own object names."""
        return [replace(plan, storage_data=number) for number, plan in enumerate(plans)]

    @override
    def write_data(self, plan: SavePlan, planner: SavePlanner) -> Future[list[WriteResult]]:
        """See StorageWriter. Serialises into memory, one object at a time, and uploads a few at once."""
        results: list[WriteResult] = []
        uploads: list[ThreadFuture[None]] = []
        with ThreadPoolExecutor(_IN_FLIGHT) as pool:
            for number, (data, written) in enumerate(self._objects(plan, planner)):
                path = f"{plan.storage_data:05d}-{number:05d}.distcp"
                results += [replace(item, storage_data=_at(item, path)) for item in written]
                uploads.append(pool.submit(self._store.put, path, data))
                if len(uploads) >= _IN_FLIGHT:
                    uploads.pop(0).result()
            for upload in uploads:
                upload.result()
        done: Future[list[WriteResult]] = Future()
        done.set_result(results)
        return done

    @override
    def finish(self, metadata: Metadata, results: list[list[WriteResult]]) -> None:
        """See StorageWriter. Called on the coordinator only."""
        metadata.version = CURRENT_DCP_VERSION
        metadata.storage_data = {item.index: item.storage_data for items in results for item in items}
        metadata.storage_meta = StorageMeta()
        self._store.put(METADATA_NAME, pickle.dumps(metadata))

    @classmethod
    @override
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """See StorageWriter."""
        return True

    def _objects(self, plan: SavePlan, planner: SavePlanner) -> Iterator[tuple[bytes, list[WriteResult]]]:
        buffer, written = io.BytesIO(), list[WriteResult]()
        for item in plan.items:
            offset = buffer.tell()
            _serialise(item, planner, buffer)
            length = buffer.tell() - offset
            written.append(WriteResult(item.index, length, _StorageInfo("", offset, length)))
            if buffer.tell() >= self._object_bytes:
                yield buffer.getvalue(), written
                buffer, written = io.BytesIO(), []
        if written:
            yield buffer.getvalue(), written


def _at(item: WriteResult, path: str) -> _StorageInfo:
    return replace(cast(_StorageInfo, item.storage_data), relative_path=path)


def _serialise(item: WriteItem, planner: SavePlanner, buffer: io.BytesIO) -> None:
    data = planner.resolve_data(item)
    if item.type == WriteItemType.BYTE_IO:
        buffer.write(cast(io.BytesIO, data).getvalue())
        return
    tensor = cast(Tensor, data).detach().cpu()
    if tensor.untyped_storage().nbytes() != tensor.numel() * tensor.element_size():
        tensor = tensor.clone()  # a view would be saved with all of its storage
    torch.save(tensor, buffer)


class ObjectReader(StorageReader):
    """Reads a checkpoint folder by ranges; any number of processes may load any part.

    folder: URL of a checkpoint that has been verified.
    """

    def __init__(self, storage: Storage, folder: str, read_bytes: int = _READ_BYTES) -> None:
        self._storage, self._folder, self._read_bytes = storage, folder, read_bytes
        self._where: dict[Any, _StorageInfo] = {}

    @override
    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """See StorageReader."""

    @override
    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        """See StorageReader."""
        metadata: Metadata = pickle.loads(self._storage.read(join(self._folder, METADATA_NAME)))
        return metadata

    @override
    def set_up_storage_reader(
        self, metadata: Metadata, is_coordinator: bool, *args: Any, **kwargs: Any
    ) -> None:
        """See StorageReader."""
        self._where = metadata.storage_data or {}

    @override
    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        """See StorageReader."""
        return plan

    @override
    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """See StorageReader."""
        return plans

    @override
    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        """See StorageReader. Items are read in batches of bounded size, in the order in which they lie."""
        items = sorted(plan.items, key=lambda item: (self._info(item).relative_path, self._info(item).offset))
        for batch in _batches(items, lambda item: self._info(item).length, self._read_bytes):
            ranges = [self._range(item) for item in batch]
            for item, data in zip(batch, self._storage.cat_ranges(ranges), strict=True):
                _deliver(item, data, planner)
        done: Future[None] = Future()
        done.set_result(None)
        return done

    @classmethod
    @override
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """See StorageReader."""
        return True

    def _info(self, item: ReadItem) -> _StorageInfo:
        return self._where[item.storage_index]

    def _range(self, item: ReadItem) -> ByteRange:
        info = self._info(item)
        return ByteRange(join(self._folder, info.relative_path), info.offset, info.offset + info.length)


def _deliver(item: ReadItem, data: bytes, planner: LoadPlanner) -> None:
    if item.type == LoadItemType.BYTE_IO:
        planner.load_bytes(item, io.BytesIO(data))
        return
    stored = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    part = narrow_tensor_by_index(stored, item.storage_offsets, item.lengths)
    target = planner.resolve_tensor(item).detach()
    target.copy_(part)
    planner.commit_tensor(item, target)


def _batches(items: list[ReadItem], size: Callable[[ReadItem], int], limit: int) -> Iterator[list[ReadItem]]:
    batch, total = list[ReadItem](), 0
    for item in items:
        if batch and total + size(item) > limit:
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += size(item)
    if batch:
        yield batch
