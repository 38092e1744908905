"""Kubeconfig files, each complete in itself."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml

from .pki import Authority


def render(server: str, context: str, ca: bytes, certificate: bytes, key: bytes) -> str:
    """A kubeconfig with one context; certificates and key (PEM) are embedded."""

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": context, "cluster": {"server": server, "certificate-authority-data": text(ca)}}
        ],
        "users": [
            {
                "name": context,
                "user": {"client-certificate-data": text(certificate), "client-key-data": text(key)},
            }
        ],
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "current-context": context,
    }
    return yaml.safe_dump(document, sort_keys=False)


def write(path: Path, server: str, context: str, authority: Authority, identity: str) -> Path:
    """Writes the kubeconfig of ``identity``, readable by its owner only."""
    content = render(
        server,
        context,
        authority.certificate("ca").read_bytes(),
        authority.certificate(identity).read_bytes(),
        authority.key(identity).read_bytes(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    if path.read_text() != content:
        path.write_text(content)
    return path
