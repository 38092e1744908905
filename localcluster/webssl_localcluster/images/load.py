"""Puts an image of buildah's storage into a node without packing, copying or unpacking it.

A layer is a folder in overlayfs form on both sides, and neither side ever writes to a finished one. So each layer
becomes a containerd snapshot made of hard links to buildah's files; only the manifest and the configuration, a few
kilobytes, go through containerd's importer. containerd itself leaves out the packed layers in the same way when it
is told to discard them after unpacking.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..commands import run
from ..errors import ClusterError
from ..node import Node
from ..progress import Reporter
from .store import Layer, StoredImage

OVERLAY = ("snapshots", "--snapshotter", "overlayfs")
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


def load(node: Node, image: StoredImage) -> bool:
    """Makes ``image`` available on ``node``. Returns whether there was anything to do.

    Raises:
        ClusterError: the container runtime refuses.
    """
    if _loaded(node, image):
        return False
    known = _snapshots(node)
    parent = ""
    for layer in image.layers:
        if layer.chain_id not in known:
            _add_layer(node, layer, parent)
        parent = layer.chain_id
    node.containers("images", "import", "--no-unpack", "--all-platforms", "-", stdin=archive(image))
    # From here on the image keeps its layers; until here ctr has marked each of them to be kept for itself.
    node.containers(
        "content", "label", image.config_digest, f"containerd.io/gc.ref.snapshot.overlayfs={parent}"
    )
    for layer in image.layers:
        node.containers(*OVERLAY, "label", layer.chain_id, "containerd.io/gc.root=")
    return True


def forget_others(node: Node, keep: set[str]) -> None:
    """Removes images from the same repositories as those in ``keep`` that are not in it."""
    repositories = {name.rpartition(":")[0] for name in keep}
    for name in node.containers("images", "list", "--quiet").split():
        if name.rpartition(":")[0] in repositories and name not in keep and "@" not in name:
            node.containers("images", "remove", name)


def archive(image: StoredImage) -> bytes:
    """An OCI layout tar of the image without its layers."""
    descriptor: dict[str, Any] = {
        "mediaType": MANIFEST_TYPE,
        "digest": image.manifest_digest,
        "size": len(image.manifest),
        "annotations": {
            "io.containerd.image.name": image.name,
            "org.opencontainers.image.ref.name": image.name,
        },
    }
    index = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [descriptor]}
    entries = {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps(index).encode(),
        f"blobs/sha256/{image.manifest_digest.partition(':')[2]}": image.manifest,
        f"blobs/sha256/{image.config_digest.partition(':')[2]}": image.config,
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def mounted_folder(mounts: list[dict[str, Any]]) -> Path:
    """The folder that an active snapshot's files go into, from containerd's description of its mounts."""
    mount = mounts[0]
    if mount["Type"] == "bind":
        return Path(mount["Source"])
    options = dict(option.partition("=")[::2] for option in mount["Options"])
    return Path(options["upperdir"])


def _loaded(node: Node, image: StoredImage) -> bool:
    listed = node.containers("images", "list", f"name=={image.name}")
    return image.manifest_digest in listed


def _snapshots(node: Node) -> set[str]:
    lines = node.containers(*OVERLAY, "list").splitlines()[1:]
    return {line.split()[0] for line in lines if line.strip()}


def _add_layer(node: Node, layer: Layer, parent: str) -> None:
    key = f"webssl-load-{layer.chain_id[-24:]}"
    if key in _snapshots(node):
        node.containers(*OVERLAY, "remove", key)
    described = node.containers(*OVERLAY, "prepare", "--mounts", key, *([parent] if parent else []))
    target = mounted_folder(json.loads(described))
    _link_tree(layer.folder, target)
    node.containers(*OVERLAY, "commit", layer.chain_id, key)


def _link_tree(source: Path, target: Path) -> None:
    """Fills ``target`` with hard links to ``source``; with copies if they lie on different file systems."""
    same = os.stat(source).st_dev == os.stat(target).st_dev
    flag = "--link" if same else "--reflink=auto"
    copy = shutil.which("cp", path="/bin:/usr/bin")
    if copy is None:
        raise ClusterError("cp: not found", "install coreutils")
    run([copy, "--archive", flag, "--no-target-directory", source, target], mend="is the disk full? df -h")


def put(nodes: Sequence[Node], images: Sequence[StoredImage], reporter: Reporter, *, forget: bool) -> None:
    """Puts images onto nodes, with progress.

    Args:
        forget: remove the other builds of the same images.
    """
    with reporter.step("images onto the nodes", len(nodes) * len(images)) as step:
        for node in nodes:
            for image in images:
                step.detail(f"{image.name} -> {node.plan.name}")
                load(node, image)
                step.advance()
            if forget:
                forget_others(node, {image.name for image in images})
