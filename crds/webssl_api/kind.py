"""What a kind of this API is called, and how it shows itself in `kubectl get`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from webssl_api.base import ApiModel
from webssl_api.labels import PREFIX

GROUP = "webssl.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class Column(NamedTuple):
    """One printer column. path: JSONPath in the object; priority 0 is always shown, 1 with `-o wide`."""

    name: str
    type: str
    path: str
    description: str
    priority: int = 0


@dataclass(frozen=True)
class Kind:
    """One kind.

    model: the type of the whole object. spec, status: what the two halves hold, as a sentence. scale: the paths of its scale
    subresource, where it has one.
    """

    name: str
    plural: str
    singular: str
    short_names: tuple[str, ...]
    model: type[ApiModel]
    spec: str
    status: str
    columns: tuple[Column, ...]
    categories: tuple[str, ...] = ("all", "training")
    scale: Mapping[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Label by which its children name an object of this kind: webssl.dev/run for a WebSSLRun."""
        return label_of(self.name)


def label_of(kind: str) -> str:
    """Label by which children name their object: webssl.dev/run for WebSSLRun."""
    return f"{PREFIX}/{kind.removeprefix('WebSSL').lower()}"
