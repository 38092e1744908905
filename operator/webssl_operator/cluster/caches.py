"""What the watches have brought: small views by run. Events in, snapshots out; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from webssl_api import labels

from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.job import JobView
from webssl_operator.observe.pod import PodView
from webssl_operator.observe.run import RunView
from webssl_operator.observe.snapshot import ChildKey, RunSnapshot

RunKey = tuple[str, str]
"""Namespace and name of a run."""


class View(Protocol):
    """What all views share."""

    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def run(self) -> str: ...
    @property
    def sequence(self) -> int: ...


V = TypeVar("V", JobView, PodView, ConfigMapView)


@dataclass
class Shelf:
    """Everything that belongs to one run."""

    run: RunView | None = None
    jobs: dict[str, JobView] = field(default_factory=dict)
    pods: dict[str, PodView] = field(default_factory=dict)
    config_maps: dict[str, ConfigMapView] = field(default_factory=dict)
    applied: dict[ChildKey, str] = field(default_factory=dict)

    def empty(self) -> bool:
        """Whether nothing is left of the run."""
        return self.run is None and not (self.jobs or self.pods or self.config_maps)


class Caches:
    """All runs and their children. Every `put` and `drop` returns the run to wake, or None when nothing changed."""

    def __init__(self) -> None:
        self._shelves: dict[RunKey, Shelf] = {}

    def keys(self) -> list[RunKey]:
        """Runs that exist."""
        return [key for key, shelf in self._shelves.items() if shelf.run is not None]

    def runs(self) -> Iterator[RunView]:
        """All runs that exist."""
        return (shelf.run for shelf in list(self._shelves.values()) if shelf.run is not None)

    def pods_of(self, key: RunKey) -> Iterable[PodView]:
        """The pods of one run."""
        shelf = self._shelves.get(key)
        return list(shelf.pods.values()) if shelf is not None else ()

    def run_of(self, key: RunKey) -> RunView | None:
        """The run as last seen."""
        shelf = self._shelves.get(key)
        return shelf.run if shelf is not None else None

    def put_run(self, view: RunView) -> RunKey | None:
        """A run appeared or changed."""
        shelf = self._shelf(view)
        if not _newer(view, shelf.run):
            return None
        if shelf.run is not None and shelf.run.uid != view.uid:
            shelf.applied.clear()
        shelf.run = view
        return (view.namespace, view.name)

    def drop_run(self, view: RunView) -> RunKey | None:
        """A run is gone; its children follow by the garbage collector."""
        key = (view.namespace, view.name)
        shelf = self._shelves.get(key)
        if shelf is None or shelf.run is None or shelf.run.uid != view.uid:
            return None
        shelf.run = None
        shelf.applied.clear()
        shelf.pods = {uid: pod for uid, pod in shelf.pods.items() if not pod.gone}
        self._tidy(key)
        return key

    def put_job(self, view: JobView) -> RunKey | None:
        """A Job appeared or changed."""
        return self._put(self._shelf(view).jobs, view.name, view)

    def drop_job(self, view: JobView) -> RunKey | None:
        """A Job is gone."""
        return self._drop(view, "jobs", view.name)

    def put_pod(self, view: PodView) -> RunKey | None:
        """A pod appeared or changed."""
        return self._put(self._shelf(view).pods, view.uid, view)

    def drop_pod(self, view: PodView) -> RunKey | None:
        """A pod is gone. A worker that had not succeeded is remembered until the plan has accounted for it."""
        key = (view.namespace, view.run)
        shelf = self._shelves.get(key)
        if shelf is None or view.uid not in shelf.pods:
            return None
        if shelf.run is None or view.role != labels.ROLE_WORKER or view.phase == "Succeeded":
            return self._drop(view, "pods", view.uid)
        shelf.pods[view.uid] = replace(view, gone=True)
        return key

    def put_config_map(self, view: ConfigMapView) -> RunKey | None:
        """A ConfigMap appeared or changed."""
        return self._put(self._shelf(view).config_maps, view.name, view)

    def drop_config_map(self, view: ConfigMapView) -> RunKey | None:
        """A ConfigMap is gone; it has to be applied again."""
        shelf = self._shelves.get((view.namespace, view.run))
        if shelf is not None:
            shelf.applied.pop(("ConfigMap", view.name), None)
        return self._drop(view, "config_maps", view.name)

    def applied(self, key: RunKey, child: ChildKey, mark: str) -> None:
        """Remember what was applied, so that it is not applied again in the same form."""
        shelf = self._shelves.get(key)
        if shelf is not None:
            shelf.applied[child] = mark

    def forget_applied(self, key: RunKey) -> None:
        """Have everything applied again: others may have changed what no watch shows."""
        shelf = self._shelves.get(key)
        if shelf is not None:
            shelf.applied.clear()

    def forget_pods(self, key: RunKey, uids: Iterable[str]) -> None:
        """Vanished pods that are accounted for."""
        shelf = self._shelves.get(key)
        if shelf is not None:
            for uid in uids:
                pod = shelf.pods.get(uid)
                if pod is not None and pod.gone:
                    del shelf.pods[uid]
            self._tidy(key)

    def snapshot(self, key: RunKey) -> RunSnapshot | None:
        """The run and its children now; None when there is no such run."""
        shelf = self._shelves.get(key)
        if shelf is None or shelf.run is None:
            return None
        pods = sorted(shelf.pods.values(), key=lambda pod: (pod.index or 0, pod.name))
        return RunSnapshot(
            run=shelf.run,
            job=next((job for job in shelf.jobs.values() if job.role == labels.ROLE_WORKER), None),
            pods=tuple(pod for pod in pods if pod.role == labels.ROLE_WORKER),
            evaluation_jobs={
                job.suite: job for job in shelf.jobs.values() if job.role == labels.ROLE_EVALUATION
            },
            evaluation_pods=tuple(pod for pod in pods if pod.role == labels.ROLE_EVALUATION),
            config_maps=dict(shelf.config_maps),
            applied=dict(shelf.applied),
        )

    def sequences(self, kind: str) -> dict[str, tuple[int, View]]:
        """Version and view by uid of all living objects of a kind; the audit compares them with a list."""
        found: dict[str, tuple[int, View]] = {}
        for shelf in self._shelves.values():
            views: Iterable[View]
            if kind == "WebSSLRun":
                views = [shelf.run] if shelf.run is not None else []
            elif kind == "Pod":
                views = [pod for pod in shelf.pods.values() if not pod.gone]
            else:
                views = list((shelf.jobs if kind == "Job" else shelf.config_maps).values())
            found.update((view.uid, (view.sequence, view)) for view in views)
        return found

    def drop(self, view: View) -> RunKey | None:
        """Drop a view of any kind."""
        match view:
            case RunView():
                return self.drop_run(view)
            case JobView():
                return self.drop_job(view)
            case PodView():
                return self.drop_pod(view)
            case ConfigMapView():
                return self.drop_config_map(view)
            case _:
                raise TypeError(f"no cache for {type(view).__name__}")

    def _shelf(self, view: View) -> Shelf:
        return self._shelves.setdefault((view.namespace, view.run), Shelf())

    def _put(self, views: dict[str, V], name: str, view: V) -> RunKey | None:
        known = views.get(name)
        if not _newer(view, known):
            return None
        views[name] = view
        if known is not None and replace(known, sequence=view.sequence) == view:
            return None
        return (view.namespace, view.run)

    def _drop(self, view: View, shelf_part: str, name: str) -> RunKey | None:
        key = (view.namespace, view.run)
        shelf = self._shelves.get(key)
        views: Mapping[str, View] = getattr(shelf, shelf_part) if shelf is not None else {}
        known = views.get(name)
        if known is None or known.uid != view.uid:
            return None
        del getattr(shelf, shelf_part)[name]
        self._tidy(key)
        return key

    def _tidy(self, key: RunKey) -> None:
        shelf = self._shelves.get(key)
        if shelf is not None and shelf.empty():
            del self._shelves[key]


def _newer(view: View, known: View | None) -> bool:
    """resourceVersions of one kind are ordered (KEP-5504); an answer to our own write may be newer than the watch."""
    return known is None or view.sequence > known.sequence
