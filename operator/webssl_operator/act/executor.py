"""Carries out the plan of one object. Any refusal ends the pass; the next one starts from what is there then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from webssl_api import labels
from webssl_api.kind import API_VERSION

from webssl_operator.act.events import event_manifest
from webssl_operator.cluster.api import ApiError, ApiServer, Raw
from webssl_operator.cluster.caches import Caches
from webssl_operator.observe import rayjob
from webssl_operator.observe.belonging import Key
from webssl_operator.observe.configmap import ConfigMapView
from webssl_operator.observe.family import Head
from webssl_operator.observe.job import JobView
from webssl_operator.observe.rayjob import RayJobView
from webssl_operator.observe.times import format_time
from webssl_operator.plan.actions import Action, Apply, BuryPod, Delete, Scale
from webssl_operator.plan.decision import Plan, Status

NOT_FOUND = 404
CONFLICT = 409
_API_OF = {"Job": "batch/v1", "Pod": "v1", "ConfigMap": "v1", rayjob.KIND: rayjob.API}


class OutdatedError(Exception):
    """The cluster has moved on since the snapshot; plan anew."""


class Publish(Protocol):
    """Hands an event over for publication; never waits, never fails."""

    def __call__(self, manifest: Raw) -> None: ...


class Executor:
    """Carries out plans over `api`, keeps `caches` up to date with the answers, and hands events to `publish`."""

    def __init__(
        self, api: ApiServer, caches: Caches, publish: Publish, clock: Callable[[], datetime], identity: str
    ) -> None:
        self._api, self._caches, self._publish = api, caches, publish
        self._clock, self._identity = clock, identity

    async def carry_out(self, head: Head, plan: Plan) -> None:
        """Carry out a plan. Raises ApiError or OutdatedError; then the rest of the plan is left undone."""
        key = Key(head.namespace, head.name, head.owner_kind)
        for action in plan.actions:
            await self._act(key, head, action)
        if plan.status is not None:
            await self._write_status(head, plan.status)
        self._caches.forget_pods(key, plan.consumed)
        for event in plan.events:
            self._publish(event_manifest(head, event, self._clock(), self._identity))

    async def _act(self, key: Key, head: Head, action: Action) -> None:
        match action:
            case Apply():
                await self._apply(key, head, action)
            case Scale():
                await self._scale(head, action)
            case Delete():
                await self._delete(head.namespace, action)
            case BuryPod():
                await self._bury(action)

    async def _apply(self, key: Key, head: Head, action: Apply) -> None:
        answer = await self._created(action) or await self._api.apply(action.manifest, labels.MANAGER)
        owners = {
            o["uid"] for o in answer["metadata"].get("ownerReferences", ()) if o["kind"] == head.owner_kind
        }
        if owners - {head.uid} and action.kind in _API_OF:
            # A namesake that was deleted a moment ago left it behind; what it holds must not be taken for this object's.
            # Children of other kinds hold nothing but what was applied; the garbage collector only takes the old owner off them.
            await self._remove(answer, head.namespace)
            raise OutdatedError(
                f"{action.kind} {action.name} belonged to an earlier {head.owner_kind} of this name; it is removed"
            )
        match action.kind:
            case "Job":
                self._caches.put_job(JobView.of(answer))
                return
            case rayjob.KIND:
                self._caches.put_ray_job(RayJobView.of(answer))
                return
            case "ConfigMap" if answer["metadata"]["labels"][labels.ROLE] == labels.ROLE_REPORT:
                self._caches.put_config_map(ConfigMapView.of(answer))
        self._caches.applied(key, (action.kind, action.name), action.mark)

    async def _created(self, action: Apply) -> Raw | None:
        """The new object, or None: it is not expected to be new, or exists already."""
        if not action.fresh:
            return None
        try:
            return await self._api.create(action.manifest, labels.MANAGER)
        except ApiError as error:
            if error.status == CONFLICT:
                return None
            raise

    async def _remove(self, found: Raw, namespace: str) -> None:
        meta = found["metadata"]
        options = {"preconditions": {"uid": meta["uid"]}, "propagationPolicy": "Background"}
        await self._forgiving(
            self._api.delete(found["apiVersion"], found["kind"], namespace, meta["name"], options)
        )

    async def _scale(self, head: Head, action: Scale) -> None:
        spec: Raw = {}
        if action.workers is not None:
            spec |= {"parallelism": action.workers, "completions": action.workers}
        if action.parallelism is not None:
            spec["parallelism"] = action.parallelism
        if action.suspend is not None:
            spec["suspend"] = action.suspend
        patch = {"metadata": {"uid": action.uid}, "spec": spec}
        answer = await self._api.merge("batch/v1", "Job", head.namespace, action.job, patch)
        self._caches.put_job(JobView.of(answer))

    async def _delete(self, namespace: str, action: Delete) -> None:
        options: Raw = {
            "preconditions": {"uid": action.uid},
            "propagationPolicy": "Foreground" if action.foreground else "Background",
        }
        if action.grace is not None:
            options["gracePeriodSeconds"] = action.grace
        await self._forgiving(
            self._api.delete(_API_OF[action.kind], action.kind, namespace, action.name, options)
        )

    async def _bury(self, action: BuryPod) -> None:
        """The same two steps that the cluster's pod garbage collector takes for pods of deleted nodes."""
        pod = action.pod
        if not pod.over:
            now = format_time(self._clock())
            condition = {
                "type": "DisruptionTarget",
                "status": "True",
                "reason": "NodeLost",
                "message": f"node {pod.node} did not stop the pod within its grace time",
                "lastTransitionTime": now,
            }
            current = await self._forgiving_get(pod.namespace, pod.name)
            if current is None or current["metadata"]["uid"] != pod.uid:
                return
            others = [
                c for c in current.get("status", {}).get("conditions", ()) if c["type"] != "DisruptionTarget"
            ]
            patch = {
                "metadata": {"uid": pod.uid},
                "status": {"phase": "Failed", "conditions": [*others, condition]},
            }
            await self._api.merge("v1", "Pod", pod.namespace, pod.name, patch, "status")
        await self._delete(pod.namespace, Delete("Pod", pod.name, pod.uid, grace=0))

    async def _forgiving_get(self, namespace: str, name: str) -> Raw | None:
        try:
            return await self._api.get("v1", "Pod", namespace, name)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def _write_status(self, head: Head, status: Status) -> None:
        """The one status write. It carries the version that was planned on, so an operator that has lost its Lease cannot win.

        A merge patch in which an absent value is null: the status is the operator's alone, and the API server does it at a third of
        the cost of an apply.
        """
        patch = {
            "metadata": {"resourceVersion": str(head.sequence)},
            "status": merge_form(status.model_dump(mode="json", by_alias=True)),
        }
        try:
            answer = await self._api.merge(
                API_VERSION, head.owner_kind, head.namespace, head.name, patch, "status"
            )
        except ApiError as error:
            if error.status in (NOT_FOUND, CONFLICT):
                raise OutdatedError(f"the object has changed meanwhile: {error}") from error
            raise
        self._caches.put_head(head.renewed(answer))

    async def _forgiving(self, request: object) -> None:
        """Deleting what is gone, or what has another uid by now, is what was wanted."""
        try:
            await request  # type: ignore[misc]
        except ApiError as error:
            if error.status not in (NOT_FOUND, CONFLICT):
                raise


def merge_form(value: Any, in_list: bool = False) -> Any:
    """A dump in the form of a merge patch: null deletes a field of an object, but lists are replaced whole, so none stands in them."""
    if isinstance(value, dict):
        return {
            key: merge_form(item, in_list) for key, item in value.items() if not (in_list and item is None)
        }
    if isinstance(value, list):
        return [merge_form(item, True) for item in value]
    return value
