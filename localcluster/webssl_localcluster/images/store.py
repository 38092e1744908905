"""Reads images straight from buildah's storage: the manifest, the configuration and each layer's folder."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ClusterError


@dataclass(frozen=True)
class Layer:
    """One layer.

    Args:
        diff_id: digest of the uncompressed layer.
        chain_id: digest of this layer on top of those below it; names the result.
        folder: where the layer's files are, in overlayfs form.
    """

    diff_id: str
    chain_id: str
    folder: Path


@dataclass(frozen=True)
class StoredImage:
    """One image; ``manifest`` and ``config`` are the exact bytes that the digests are over."""

    name: str
    manifest: bytes
    config: bytes
    layers: tuple[Layer, ...]

    @property
    def manifest_digest(self) -> str:
        return sha256(self.manifest)

    @property
    def config_digest(self) -> str:
        return sha256(self.config)


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def chain_ids(diff_ids: list[str]) -> list[str]:
    """The chain id of each layer, lowest first (OCI image specification, "Layer ChainID")."""
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(sha256(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return chain


def names(storage: Path) -> list[str]:
    """All image names in the storage."""
    return sorted(name for image in _images(storage) for name in image.get("names", []))


def older(storage: Path, current: set[str], keep: int) -> list[str]:
    """Names from the same repositories as those in ``current``, but for the ``keep`` newest of each."""
    by_age = sorted(_images(storage), key=lambda image: str(image.get("created", "")), reverse=True)
    found: list[str] = []
    for repository in {name.rpartition(":")[0] for name in current}:
        others = [
            name
            for image in by_age
            for name in image.get("names", [])
            if name.rpartition(":")[0] == repository and name not in current
        ]
        found += others[keep:]
    return found


def unfinished(storage: Path) -> bool:
    """Whether a build that was killed has left its working containers."""
    return bool(_json_list(storage / "overlay-containers" / "containers.json"))


def stale_steps(storage: Path) -> list[str]:
    """Ids of images without a name (kept steps of earlier builds) whose files no named image has."""
    images = _images(storage)
    used: set[str] = set()
    for image in images:
        if image.get("names"):
            used.update(entry["id"] for entry in _layer_chain(storage, image.get("layer")))
    return [image["id"] for image in images if not image.get("names") and image.get("layer") not in used]


def read(storage: Path, name: str) -> StoredImage:
    """The image called ``name``.

    Raises:
        ClusterError: it is not there, or the storage contradicts the image's configuration.
    """
    image = next((entry for entry in _images(storage) if name in entry.get("names", [])), None)
    if image is None:
        raise ClusterError(f"image {name} is not built", "webssl cluster images")
    data = storage / "overlay-images" / image["id"]
    manifest = (data / "manifest").read_bytes()
    config_digest = json.loads(manifest)["config"]["digest"]
    config = (data / f"={base64.b64encode(config_digest.encode()).decode()}").read_bytes()
    diff_ids = json.loads(config)["rootfs"]["diff_ids"]
    stored = _layer_chain(storage, image.get("layer"))
    if [entry["diff-digest"] for entry in stored] != diff_ids or sha256(config) != config_digest:
        raise ClusterError(
            f"image {name}: its layers are not those it names", "webssl cluster images --rebuild"
        )
    layers = tuple(
        Layer(diff_id, chain_id, storage / "overlay" / entry["id"] / "diff")
        for diff_id, chain_id, entry in zip(diff_ids, chain_ids(diff_ids), stored, strict=True)
    )
    return StoredImage(name, manifest, config, layers)


def _images(storage: Path) -> list[dict[str, Any]]:
    return _json_list(storage / "overlay-images" / "images.json")


def _layer_chain(storage: Path, top: str | None) -> list[dict[str, Any]]:
    """Layer records from the lowest to ``top``."""
    known = {entry["id"]: entry for entry in _json_list(storage / "overlay-layers" / "layers.json")}
    chain: list[dict[str, Any]] = []
    while top:
        chain.append(known[top])
        top = known[top].get("parent")
    return chain[::-1]


def _json_list(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    content = json.loads(path.read_text())
    return content if isinstance(content, list) else []
