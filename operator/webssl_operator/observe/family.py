"""An object of this API with its children, as the caches hold them: the same for every kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, Self

from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.observe.rayjob import RayJobView

ChildKey = tuple[str, str]
"""Kind and name of a child."""


class View(Protocol):
    """What all views of objects share. owner_kind, owner_name: kind and name of the object of this API whose it is."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def owner_name(self) -> str: ...
    @property
    def owner_kind(self) -> str: ...
    @property
    def sequence(self) -> int: ...


class Head(View, Protocol):
    """What the operator knows of any object of this API. owner_kind, owner_name: its kind and its name, as its children say them."""

    @property
    def phase(self) -> StrEnum | None: ...

    def renewed(self, raw: Mapping[str, Any]) -> Self:
        """View of the same object as the API server serves it now."""
        ...


@dataclass(frozen=True)
class Family:
    """An object and its children by name, and the marks of what this process has applied.

    pods: by index and name, vanished ones that are not yet accounted for included. applied: mark per child; a child that changed or
    vanished since is not in it.
    """

    head: Head
    jobs: Mapping[str, JobView] = field(default_factory=dict)
    pods: tuple[PodView, ...] = ()
    config_maps: Mapping[str, ConfigMapView] = field(default_factory=dict)
    ray_jobs: Mapping[str, RayJobView] = field(default_factory=dict)
    applied: Mapping[ChildKey, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """What a plan may depend on beside an object and its children.

    ray_jobs: whether the API server serves KubeRay's RayJob. other: the object that this one refers to, when there is one. neighbours:
    the objects of the same namespace that may concern it.
    """

    ray_jobs: bool = False
    other: Head | None = None
    neighbours: tuple[Head, ...] = ()
