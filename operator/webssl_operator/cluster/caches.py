"""What the watches have brought: small views by the object they belong to. Events in, families out; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar, cast

from webssl_api import labels

from webssl_operator.observe.belonging import Key
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.family import ChildKey, Family, Head, View
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.observe.rayjob import RayJobView

V = TypeVar("V", JobView, PodView, ConfigMapView, RayJobView)


@dataclass
class Shelf:
    """Everything that belongs to one object."""

    head: Head | None = None
    jobs: dict[str, JobView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    config_maps: dict[str, ConfigMapView] = field(default_factory=dict)
    ray_jobs: dict[str, RayJobView] = field(default_factory=dict)
    applied: dict[ChildKey, str] = field(default_factory=dict)

    def empty(self) -> bool:
        """Whether nothing is left of the object."""
        return self.head is None and not (self.jobs or self.pods or self.config_maps or self.ray_jobs)


class Caches:
    """All objects and their children. Every `put` and `drop` returns the object to wake, or None when nothing changed."""

    def __init__(self) -> None:
        self._shelves: dict[Key, Shelf] = {}
        self._places: dict[tuple[str, str], dict[Key, None]] = {}

    def keys(self) -> list[Key]:
        """Objects that exist."""
        return [key for key, shelf in self._shelves.items() if shelf.head is not None]

    def heads(self, kind: str) -> Iterator[Head]:
        """All objects of a kind that exist."""
        return (
            shelf.head
            for key, shelf in list(self._shelves.items())
            if shelf.head is not None and key.kind == kind
        )

    def neighbours(self, kind: str, namespace: str) -> tuple[Head, ...]:
        """All objects of a kind in a namespace, oldest known first; found without looking at any others, since each pass asks."""
        keys = self._places.get((kind, namespace), ())
        return tuple(head for key in keys if (head := self.head_of(key)) is not None)

    def pods_of(self, key: Key) -> Iterable[PodView]:
        """The pods of one object."""
        shelf = self._shelves.get(key)
        return list(shelf.pods.values()) if shelf is not None else ()

    def head_of(self, key: Key) -> Head | None:
        """The object as last seen."""
        shelf = self._shelves.get(key)
        return shelf.head if shelf is not None else None

    def put_head(self, view: Head) -> Key | None:
        """An object appeared or changed."""
        shelf = self._shelf(view)
        if not _newer(view, shelf.head):
            return None
        if shelf.head is not None and shelf.head.uid != view.uid:
            shelf.applied.clear()
        shelf.head = view
        self._places.setdefault((view.owner_kind, view.namespace), {})[_key(view)] = None
        return _key(view)

    def drop_head(self, view: Head) -> Key | None:
        """An object is gone; its children follow by the garbage collector."""
        key = _key(view)
        shelf = self._shelves.get(key)
        if shelf is None or shelf.head is None or shelf.head.uid != view.uid:
            return None
        shelf.head = None
        self._places[view.owner_kind, view.namespace].pop(key, None)
        shelf.applied.clear()
        shelf.pods = {uid: pod for uid, pod in shelf.pods.items() if not pod.gone}
        self._tidy(key)
        return key

    def put_job(self, view: JobView) -> Key | None:
        """A Job appeared or changed."""
        return self._put(self._shelf(view).jobs, view.name, view)

    def drop_job(self, view: JobView) -> Key | None:
        """A Job is gone."""
        return self._drop(view, "jobs", view.name)

    def put_pod(self, view: PodView) -> Key | None:
        """A pod appeared or changed."""
        return self._put(self._shelf(view).pods, view.uid, view)

    def drop_pod(self, view: PodView) -> Key | None:
        """A pod is gone. A worker that had not succeeded is remembered until the plan has accounted for it."""
        key = _key(view)
        shelf = self._shelves.get(key)
        if shelf is None or view.uid not in shelf.pods:
            return None
        if shelf.head is None or view.role != labels.ROLE_WORKER or view.phase == "Succeeded":
            return self._drop(view, "pods", view.uid)
        shelf.pods[view.uid] = replace(view, gone=True)
        return key

    def put_config_map(self, view: ConfigMapView) -> Key | None:
        """A ConfigMap appeared or changed."""
        return self._put(self._shelf(view).config_maps, view.name, view)

    def drop_config_map(self, view: ConfigMapView) -> Key | None:
        """A ConfigMap is gone; it has to be applied again."""
        shelf = self._shelves.get(_key(view))
        if shelf is not None:
            shelf.applied.pop(("ConfigMap", view.name), None)
        return self._drop(view, "config_maps", view.name)

    def put_ray_job(self, view: RayJobView) -> Key | None:
        """A RayJob appeared or changed."""
        return self._put(self._shelf(view).ray_jobs, view.name, view)

    def drop_ray_job(self, view: RayJobView) -> Key | None:
        """A RayJob is gone."""
        return self._drop(view, "ray_jobs", view.name)

    def applied(self, key: Key, child: ChildKey, mark: str) -> None:
        """Remember what was applied, so that it is not applied again in the same form."""
        shelf = self._shelves.get(key)
        if shelf is not None:
            shelf.applied[child] = mark

    def forget_applied(self, key: Key) -> None:
        """Have everything applied again: others may have changed what no watch shows."""
        shelf = self._shelves.get(key)
        if shelf is not None:
            shelf.applied.clear()

    def forget_pods(self, key: Key, uids: Iterable[str]) -> None:
        """Vanished pods that are accounted for."""
        shelf = self._shelves.get(key)
        if shelf is not None:
            for uid in uids:
                pod = shelf.pods.get(uid)
                if pod is not None and pod.gone:
                    del shelf.pods[uid]
            self._tidy(key)

    def family(self, key: Key) -> Family | None:
        """The object and its children now; None when there is no such object."""
        shelf = self._shelves.get(key)
        if shelf is None or shelf.head is None:
            return None
        return Family(
            head=shelf.head,
            jobs=dict(shelf.jobs),
            pods=tuple(sorted(shelf.pods.values(), key=lambda pod: (pod.index or 0, pod.name))),
            config_maps=dict(shelf.config_maps),
            ray_jobs=dict(shelf.ray_jobs),
            applied=dict(shelf.applied),
        )

    def sequences(self, kind: str) -> dict[str, tuple[int, View]]:
        """Version and view by uid of all living objects of a kind; the audit compares them with a list."""
        found: dict[str, tuple[int, View]] = {}
        for key, shelf in self._shelves.items():
            views: Iterable[View]
            match kind:
                case "Pod":
                    views = [pod for pod in shelf.pods.values() if not pod.gone]
                case "Job":
                    views = list(shelf.jobs.values())
                case "ConfigMap":
                    views = list(shelf.config_maps.values())
                case "RayJob":
                    views = list(shelf.ray_jobs.values())
                case _:
                    views = [shelf.head] if shelf.head is not None and key.kind == kind else []
            found.update((view.uid, (view.sequence, view)) for view in views)
        return found

    def drop(self, view: View) -> Key | None:
        """Drop a view of any kind."""
        match view:
            case JobView():
                return self.drop_job(view)
            case PodView():
                return self.drop_pod(view)
            case ConfigMapView():
                return self.drop_config_map(view)
            case RayJobView():
                return self.drop_ray_job(view)
            case _:
                return self.drop_head(cast("Head", view))

    def _shelf(self, view: View) -> Shelf:
        return self._shelves.setdefault(_key(view), Shelf())

    def _put(self, views: dict[str, V], name: str, view: V) -> Key | None:
        known = views.get(name)
        if not _newer(view, known):
            return None
        views[name] = view
        if known is not None and replace(known, sequence=view.sequence) == view:
            return None
        return _key(view)

    def _drop(self, view: View, shelf_part: str, name: str) -> Key | None:
        key = _key(view)
        shelf = self._shelves.get(key)
        views: Mapping[str, View] = getattr(shelf, shelf_part) if shelf is not None else {}
        known = views.get(name)
        if known is None or known.uid != view.uid:
            return None
        del getattr(shelf, shelf_part)[name]
        self._tidy(key)
        return key

    def _tidy(self, key: Key) -> None:
        shelf = self._shelves.get(key)
        if shelf is not None and shelf.empty():
            del self._shelves[key]


def _key(view: View) -> Key:
    return Key(view.namespace, view.owner_name, view.owner_kind)


def _newer(view: View, known: View | None) -> bool:
    """resourceVersions of one kind are ordered (KEP-5504); an answer to our own write may be newer than the watch."""
    return known is None or view.sequence > known.sequence
