"""What a real step of DINO keeps and computes, measured on the tensors themselves."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from webssl_trainer.data.batch import Batch
from webssl_trainer.data.crop_spec import CropSpec
from webssl_trainer.model import Parallel, vit_config
from webssl_trainer.objectives import StepContext
from webssl_trainer.objectives.dino import DinoConfig, DinoObjective, HeadConfig
from webssl_trainer.objectives.dino.masks import draw_masks
from webssl_trainer.planning.dino import Rows, rows

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Shape:
    """A step to measure: samples per micro-batch, micro-batches, prototypes of both heads, sides in pixels."""

    size: str
    samples: int
    micro_batches: int
    prototypes: int
    sides: tuple[int, int] = (224, 98)
    n_local: int = 8
    hidden: int = 2048
    drop_path: float = 0.0

    @property
    def crops(self) -> CropSpec:
        return CropSpec(global_size=self.sides[0], local_size=self.sides[1], n_local=self.n_local)

    @property
    def config(self) -> DinoConfig:
        return DinoConfig(
            crops=self.crops,
            dino_head=HeadConfig(self.hidden, 384, self.prototypes),
            ibot_head=HeadConfig(self.hidden, 256, self.prototypes),
            group_size=self.samples,
            drop_path=self.drop_path,
        )

    @property
    def vit(self) -> Any:
        return vit_config(self.size, image_size=self.sides[0])

    @property
    def batches(self) -> list[Batch]:
        return [self._batch(number * self.samples) for number in range(self.micro_batches)]

    def masked(self, batch: Batch) -> int:
        """Masked patches that the objective draws for a micro-batch."""
        grid = self.vit.grid_of(self.sides[0], self.sides[0])
        masks = draw_masks(batch.positions, crops=2, grid=grid, seed=0, config=self.config.masks)
        return int(masks.sum())

    def rows(self) -> tuple[Rows, Rows]:
        """Rows of the micro-batch with most masked patches, and of the step."""
        counts = [self.masked(batch) for batch in self.batches]
        whole = self.samples * self.micro_batches
        return rows(self.samples, max(counts), self.crops), rows(whole, sum(counts), self.crops)

    def context(self, group: Any = None) -> StepContext:
        return StepContext(0, 10, 0, self.samples * self.micro_batches, CPU, group)

    def objective(self, parallel: Parallel) -> DinoObjective:
        return DinoObjective(self.vit, self.config, parallel, seed=0)

    def _batch(self, first: int) -> Batch:
        crops, n = self.crops, self.samples
        return Batch(
            positions=np.arange(first, first + n),
            sample_ids=[str(i) for i in range(n)],
            global_crops=self._bytes(2, crops.global_size),
            local_crops=self._bytes(crops.n_local, crops.local_size),
        )

    def _bytes(self, crops: int, side: int) -> torch.Tensor:
        return torch.randint(256, (crops, self.samples, 3, side, side), dtype=torch.uint8)


def storages(tensors: Iterable[torch.Tensor]) -> dict[int, int]:
    """Bytes of each distinct storage, by its address as an object."""
    found = {}
    for tensor in tensors:
        storage = tensor.untyped_storage()
        found[storage._cdata] = storage.nbytes()
    return found


class SavedBytes:
    """Most bytes that autograd keeps for backward passes at a time. Storages in `known` and parameters do not count."""

    def __init__(self, known: Mapping[int, int]) -> None:
        self._known, self._uses, self._sizes = known, Counter[int](), dict[int, int]()
        self.now = self.peak = 0

    def watching(self) -> AbstractContextManager[object]:
        """While it lasts, everything that is kept is counted until its graph is gone."""
        return torch.autograd.graph.saved_tensors_hooks(self._keep, lambda handle: handle.tensor)

    def _keep(self, x: torch.Tensor) -> _Handle:
        handle, storage = _Handle(x), x.untyped_storage()
        key = storage._cdata
        own = isinstance(x, torch.nn.Parameter) or isinstance(x._base, torch.nn.Parameter)
        if key not in self._known and not own:
            if not self._uses[key]:
                self._sizes[key] = storage.nbytes()
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
            self._uses[key] += 1
            weakref.finalize(handle, self._drop, key)
        return handle

    def _drop(self, key: int) -> None:
        self._uses[key] -= 1
        if not self._uses[key]:
            self.now -= self._sizes.pop(key)


class _Handle:
    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


class LiveBytes(TorchDispatchMode):
    """Bytes of all storages that operations make while they live. Storages in `known` do not count."""

    def __init__(self, known: Mapping[int, int]) -> None:
        super().__init__()
        self._known, self._sizes = known, dict[int, int]()
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves(out):
            if isinstance(x, torch.Tensor):
                self._add(x.untyped_storage())
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key in self._known or key in self._sizes:
            return
        self._sizes[key] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


class ResizedBytes(TorchDispatchMode):
    """As `LiveBytes`, for storages that grow and shrink: FSDP2 empties those of whole parameters between uses."""

    def __init__(self, known: Mapping[int, int]) -> None:
        super().__init__()
        self._known, self._seen = known, dict[int, weakref.ref[torch.UntypedStorage]]()
        self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for x in tree_leaves((args, kwargs, out)):
            if isinstance(x, torch.Tensor):
                self._add(x.untyped_storage())
        alive = (reference() for reference in self._seen.values())
        self.peak = max(self.peak, sum(storage.nbytes() for storage in alive if storage is not None))
        return out

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self._known and key not in self._seen:
            self._seen[key] = weakref.ref(storage)
            weakref.finalize(storage, self._seen.pop, key, None)


@dataclass(frozen=True)
class Measured:
    """Of one step, in bytes: most that autograd kept at a time, and most that there was at a time."""

    saved: int
    peak: int


def measured(objective: Any, batches: list[Batch], context: StepContext) -> Measured:
    """Run a step of any objective and measure it. Parameters and the batches' bytes do not count."""
    networks = [p for module in objective.modules.values() for p in module.parameters()]
    known = storages([*networks, *(x for b in batches for x in (b.global_crops, b.local_crops))])
    saved, live = SavedBytes(known), LiveBytes(known)
    with saved.watching(), live:
        objective.forward_backward(batches, context)
    return Measured(saved.peak, live.peak)
