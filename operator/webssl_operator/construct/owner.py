"""Whom children belong to: a run, a pass over a data set, or an object that asks for the evaluation of one checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webssl_api import labels
from webssl_api.kind import API_VERSION, label_of

from webssl_operator.construct.meta import child_labels
from webssl_operator.observe.family import Head


@dataclass(frozen=True)
class Owner:
    """An object that owns children.

    label: key of the label that names it on each of them. stem: how their names begin, unset: its name.
    """

    kind: str
    namespace: str
    name: str
    uid: str
    label: str = labels.RUN
    stem: str = ""

    @property
    def prefix(self) -> str:
        """How the names of its children begin."""
        return self.stem or self.name

    def labels_of(self, role: str, suite: str = "") -> dict[str, str]:
        """Labels of a child; watches select on them."""
        tags = child_labels(self.name, role, suite)
        named = tags.pop(labels.RUN)
        return {self.label: named, **tags}

    def meta_of(self, name: str, role: str, suite: str = "") -> dict[str, Any]:
        """Metadata of a child: the garbage collector removes it with its owner."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels_of(role, suite),
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": self.kind,
                    "name": self.name,
                    "uid": self.uid,
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        }


def owner_of(head: Head, stem: str = "") -> Owner:
    """An object as an owner. stem: as in Owner."""
    return Owner(
        head.owner_kind, head.namespace, head.name, head.uid, label=label_of(head.owner_kind), stem=stem
    )
