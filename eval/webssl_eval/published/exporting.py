"""Writes a checkpoint's encoder as a Hugging Face folder that `AutoModel` loads without a network."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor
from webssl_trainer.configs.views import evaluation_views
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer
from webssl_trainer.storage import Storage

from webssl_eval.published.card import card, preprocessor
from webssl_eval.published.families import family_for
from webssl_eval.published.layout import State
from webssl_eval.published.reading import CONFIG, INDEX, WEIGHTS
from webssl_eval.published.source import Source

PREPROCESSOR = "preprocessor_config.json"
CARD = "README.md"
FILE_BYTES = 5 * 10**9
"""Weights are split into files of at most this size, as transformers does."""


def export(storage: Storage, source: Source, out: Path, resolution: int | None = None) -> VisionTransformer:
    """Write a verified checkpoint's encoder to a new folder; all of it or nothing.

    Args:
        storage: where the checkpoint is.
        source: the checkpoint.
        out: the folder to make; it may exist when it is empty.
        resolution: side of the images that the preprocessor makes, in pixels; None for that of the run's last stage.

    Returns:
        The encoder that was written.

    Raises:
        UserError: `out` is not empty, the patch size does not divide the resolution, or the checkpoint holds no encoder.
    """
    check_free(out)
    config = source.trained.config
    side = resolution or source.trained.resolution
    config.grid_of(side, side)
    family = family_for(source.trained.objective)
    model = family.to_json(config)
    vit = source.load(storage)
    part = out.with_name(f".{out.name}.{uuid.uuid4().hex}.part")
    part.mkdir(parents=True)
    try:
        write_weights(part, family.layout.publish(vit.state_dict()))
        _write_json(part / CONFIG, model)
        _write_json(part / PREPROCESSOR, preprocessor(evaluation_views(source.trained.objective, side)))
        (part / CARD).write_text(card(source, model, side), encoding="utf-8")
        if out.exists():
            out.rmdir()
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return vit


def check_free(out: Path) -> None:
    """Raises UserError when a folder cannot be made at `out`, or holds something."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out} exists and is not an empty folder; name a new one")


def write_weights(folder: Path, tensors: Iterable[tuple[str, Tensor]], file_bytes: int = FILE_BYTES) -> None:
    """Write named tensors as safetensors: one file, or several and an index of them when they exceed `file_bytes`."""
    groups = list(grouped(tensors, file_bytes))
    if len(groups) == 1:
        _save(groups[0], folder / WEIGHTS)
        return
    names: dict[str, str] = {}
    for number, group in enumerate(groups, 1):
        file = f"model-{number:05d}-of-{len(groups):05d}.safetensors"
        _save(group, folder / file)
        names |= dict.fromkeys(group, file)
    total = sum(_bytes(tensor) for group in groups for tensor in group.values())
    _write_json(folder / INDEX, {"metadata": {"total_size": total}, "weight_map": names})


def grouped(tensors: Iterable[tuple[str, Tensor]], most: int) -> Iterator[State]:
    """Tensors in their order, in groups of at most `most` bytes; a larger tensor is alone."""
    group, size = State(), 0
    for name, tensor in tensors:
        if group and size + _bytes(tensor) > most:
            yield group
            group, size = State(), 0
        group[name] = tensor
        size += _bytes(tensor)
    yield group


def _save(group: Mapping[str, Tensor], file: Path) -> None:
    # safetensors refuses tensors that share memory, as the parts of one of ours do.
    save_file(
        {name: tensor.detach().clone() for name, tensor in group.items()}, file, metadata={"format": "pt"}
    )


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()


def _write_json(file: Path, value: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
