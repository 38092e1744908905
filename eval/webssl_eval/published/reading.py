"""Reads published weights: a Hugging Face folder, or a file that DINOv2's or MAE's own code wrote."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from webssl_trainer.errors import UserError
from webssl_trainer.model import VisionTransformer, VitConfig

from webssl_eval.published import original
from webssl_eval.published.families import DINOV2, VIT, Family, family_of
from webssl_eval.published.layout import Layout, State

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
_PICKLED = ("pytorch_model.bin",)
_FILES = (".safetensors", ".pth", ".pt", ".bin")
_CHUNK = 2**24


@dataclass(frozen=True)
class Published:
    """Weights that came from somewhere else, in this project's terms.

    Attributes:
        config: the architecture.
        state: parameters by our names, fp32.
        family: the transformers class of this architecture.
        layout: how the file names its parameters, for people.
        sha256: digest over the weight files, in the order of their names.
    """

    config: VitConfig
    state: State
    family: Family
    layout: str
    sha256: str


def read_published(source: Path) -> Published:
    """The encoder in a folder with config.json and weights, or in one file of DINOv2's or MAE's own layout.

    Raises:
        UserError: nothing readable is there, or it is another architecture; names the field or tensor and its value.
    """
    if source.is_dir() and (source / CONFIG).is_file():
        where = str(source / CONFIG)
        raw = _json(source / CONFIG)
        family = family_of(raw, where)
        files = weight_files(source)
        return _adopted(family.from_json(raw, where), load(files), family, family.layout, files)
    file = _only_file(source)
    loaded = load_any(file)
    if not original.is_original(loaded):
        raise UserError(
            f"{file}: holds {', '.join(sorted(loaded)[:3])}, which is no state dict of DINOv2 or MAE; name a folder with {CONFIG} "
            "for another layout"
        )
    state = original.unwrapped(loaded)
    dino = original.architecture_of(state) == "dinov2"
    family, layout = (DINOV2, original.DINOV2) if dino else (VIT, original.MAE)
    return _adopted(original.from_shapes(state, str(file)), state, family, layout, [file])


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a Hugging Face folder's weights, one or several.

    Raises:
        UserError: there are none, or one that the index names is not there.
    """
    if (folder / INDEX).is_file():
        names = sorted(set(_json(folder / INDEX).get("weight_map", {}).values()))
        missing = next((name for name in names if not (folder / name).is_file()), None)
        if missing is not None:
            raise UserError(f"{folder / INDEX} names {missing}, which is not there; fetch the folder again")
        return [folder / name for name in names]
    for name in (WEIGHTS, *_PICKLED):
        if (folder / name).is_file():
            return [folder / name]
    raise UserError(f"{folder} holds no weights; it needs {WEIGHTS}, {INDEX} or {_PICKLED[0]}")


def load(files: list[Path]) -> State:
    """All tensors of some files by name."""
    return {
        name: value
        for file in files
        for name, value in load_any(file).items()
        if isinstance(value, torch.Tensor)
    }


def load_any(file: Path) -> Mapping[str, Any]:
    """The named contents of a weight file, on the CPU. Pickled files are read without running their code.

    Raises:
        UserError: it is damaged, or holds other things than tensors and plain values.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        found = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise UserError(f"{file} cannot be read ({str(error).splitlines()[0]}); fetch it again") from error
    if not isinstance(found, Mapping):
        raise UserError(
            f"{file} holds a {type(found).__name__}, not named tensors; name a file with a state dict"
        )
    return found


def _adopted(
    config: VitConfig,
    published: Mapping[str, torch.Tensor],
    family: Family,
    layout: Layout,
    files: list[Path],
) -> Published:
    with torch.device("meta"):
        wanted = VisionTransformer(config).state_dict()
    return Published(config, layout.adopt(published, wanted), family, layout.name, _sha256(files))


def _only_file(source: Path) -> Path:
    if source.is_file():
        return source
    found = sorted(file for file in source.glob("*") if file.suffix in _FILES) if source.is_dir() else []
    if len(found) != 1:
        what = "has no" if not found else f"has {len(found)} weight files and no"
        raise UserError(
            f"{source} {what} {CONFIG}"
            if source.exists()
            else f"{source} is not there; name a folder with {CONFIG}"
        )
    return found[0]


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}); fetch it again") from error
    if not isinstance(found, dict):
        raise UserError(f"{file} holds a {type(found).__name__}, not fields; fetch it again")
    return found


def _sha256(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while chunk := opened.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()
