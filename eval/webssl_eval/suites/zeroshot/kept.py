"""Trained towers, and the state of trainings that were cut off, beside the checkpoint; both are found by digest."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Mapping
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors import SafetensorError
from safetensors.torch import load as tensors_of
from safetensors.torch import save as bytes_of
from torch import Tensor
from webssl_trainer.storage import Storage, StorageNotFoundError, join

FOLDER = "towers"
_TOLD = "told"


def tower_bytes(state: Mapping[str, Tensor], digest: str, losses: list[float]) -> bytes:
    """A tower as safetensors, with the digest of what it was trained with; equal towers are equal bytes."""
    told = json.dumps({"digest": digest, "losses": losses})
    return bytes_of({name: tensor.cpu().contiguous() for name, tensor in state.items()}, {_TOLD: told})


def tower_of(data: bytes, digest: str) -> tuple[dict[str, Tensor], list[float]] | None:
    """The tower and its losses in a file of `tower_bytes`; None for another digest, or a file that is damaged."""
    try:
        length = int.from_bytes(data[:8], "little")
        told = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_TOLD])
        return (tensors_of(data), told["losses"]) if told["digest"] == digest else None
    except (ValueError, KeyError, TypeError, SafetensorError):
        return None


class TowerShelf:
    """Where one tower is kept; a folder of None keeps nothing.

    Args:
        storage: where the folder is.
        folder: URL of a folder that several suites may share.
        digest: of settings, data and encoder. It names the files.
    """

    def __init__(self, storage: Storage, folder: str | None, digest: str) -> None:
        self._storage, self._digest = storage, digest
        self._tower = None if folder is None else join(folder, FOLDER, f"{digest}.safetensors")
        self._state = None if folder is None else join(folder, FOLDER, f"{digest}.state.pt")

    @property
    def url(self) -> str | None:
        """Where the tower is kept; None for nowhere."""
        return self._tower

    def tower(self) -> tuple[dict[str, Tensor], list[float]] | None:
        """The tower that was trained with the same, and its losses."""
        data = self._read(self._tower)
        return None if data is None else tower_of(data, self._digest)

    def put_tower(self, data: bytes) -> None:
        """Keep a trained tower; the state on the way to it goes."""
        if self._tower is not None and self._state is not None:
            self._storage.put(self._tower, data)
            self._storage.delete(self._state)

    def state(self) -> dict[str, Any] | None:
        """The state of a training with the same that was cut off; None when there is none, or it is damaged."""
        data = self._read(self._state)
        if data is None or not is_zipfile(io.BytesIO(data)):  # as torch writes it; a part of one is none
            return None
        try:
            found = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def put_state(self, state: Mapping[str, Any]) -> None:
        """Keep the state of a training that goes on."""
        if self._state is not None:
            buffer = io.BytesIO()
            torch.save(dict(state), buffer)
            self._storage.put(self._state, buffer.getvalue())

    def _read(self, url: str | None) -> bytes | None:
        if url is None:
            return None
        try:
            return self._storage.read(url)
        except StorageNotFoundError:
            return None
