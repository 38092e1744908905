"""From `languageModel` in the manifest to a folder that transformers can load.

`package:NAME` is a model file that an installed Python package carries (GGUF); it is converted once. Anything else is a
folder in the layout of transformers: a local path, or a `file://`, `s3://` URL that is copied to scratch.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage, canonical

from webssl_eval.language_models.convert import convert_gguf

PACKAGE = "package:"
_SMALL = 1 << 20
MODELS_VARIABLE = "WEBSSL_MODELS"
"""Folder of models that were converted when the image was built; see `python -m webssl_eval.language_models`."""


@dataclass(frozen=True)
class PackagedModel:
    """A GGUF file in an installed package. name: of the distribution."""

    name: str
    version: str
    file: Path

    @property
    def folder(self) -> str:
        """Name of the folder that holds its converted form."""
        return f"{self.name}-{self.version}"


def packaged_model(name: str) -> PackagedModel:
    """The model file of an installed package; the package is not imported.

    Raises:
        UserError: not installed, or it carries no or several GGUF files.
    """
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError as error:
        raise UserError(
            f"languageModel {PACKAGE}{name}: no package of that name is installed in the evaluation image; "
            "install it there, or name a folder"
        ) from error
    files = [file for file in distribution.files or [] if file.suffix == ".gguf"]
    if len(files) != 1:
        raise UserError(
            f"languageModel {PACKAGE}{name}: the package carries {len(files)} .gguf files, one is needed; name a folder"
        )
    canonical_name = distribution.metadata["Name"].lower().replace("_", "-")
    return PackagedModel(canonical_name, distribution.version, Path(str(files[0].locate())))


def identity_of(name: str) -> str:
    """What stands for a language model in digests: package and version, or the folder's address."""
    if name.startswith(PACKAGE):
        return PACKAGE + packaged_model(name.removeprefix(PACKAGE)).folder
    return name if "://" in name else str(Path(name).absolute())


def contents_of(folder: Path) -> str:
    """SHA-256 over a model's files: names and sizes, and the bytes of small ones (settings, templates)."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = path.stat().st_size
        found.update(f"{path.relative_to(folder)} {size}\n".encode())
        if size <= _SMALL:
            found.update(path.read_bytes())
    return found.hexdigest()


def local_folder(
    name: str, storage: Storage, scratch: Path, environment: Mapping[str, str] = os.environ
) -> Path:
    """The model as a local folder in transformers' layout; converted or copied to `scratch` where needed.

    Raises:
        UserError: no such package or folder, or the folder holds no model.
    """
    if name.startswith(PACKAGE):
        return _converted(packaged_model(name.removeprefix(PACKAGE)), scratch, environment)
    folder = _copied(name, storage, scratch) if "://" in name else Path(name)
    if not (folder / "config.json").is_file():
        raise UserError(
            f"languageModel {name}: no config.json there; name a folder that transformers' save_pretrained wrote, "
            f"or {PACKAGE}NAME"
        )
    return folder


def _converted(model: PackagedModel, scratch: Path, environment: Mapping[str, str]) -> Path:
    ready = environment.get(MODELS_VARIABLE)
    for base in [Path(ready)] if ready else []:
        if (base / model.folder / "config.json").is_file():
            return base / model.folder
    return convert_once(model, scratch / "models")


def convert_once(model: PackagedModel, base: Path) -> Path:
    """The converted form of a packaged model under `base`; a half-made one is never seen under its name."""
    folder = base / model.folder
    if not (folder / "config.json").is_file():
        fresh = base / f".{model.folder}.{os.getpid()}"
        shutil.rmtree(fresh, ignore_errors=True)
        convert_gguf(model.file, fresh)
        try:
            fresh.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _copied(url: str, storage: Storage, scratch: Path) -> Path:
    """A folder of a storage, copied; files that are there with their size are not copied again."""
    root = canonical(url).rstrip("/")
    folder = scratch / "models" / hashlib.sha256(root.encode()).hexdigest()[:16]
    for info in storage.list_objects(root):
        path = folder / info.url.removeprefix(root + "/")
        if path.is_file() and path.stat().st_size == info.size:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
        with storage.open(info.url) as source, fresh.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 24)
        fresh.replace(path)
    return folder
