"""The caches take the newest version whatever the order, and the audit finds what the watches missed."""

from __future__ import annotations

from typing import Any

import pytest
from webssl_operator.cluster.api import ApiError
from webssl_operator.cluster.audit import Audit
from webssl_operator.cluster.caches import Caches
from webssl_operator.observe.belonging import Key
from webssl_operator.observe.pod import PodView
from webssl_operator.observe.run import RunView

from tests.manifests.valid import valid_run

KEY = Key("default", "small")


def run(version: int, uid: str = "u") -> RunView:
    raw = valid_run()
    raw["metadata"] |= {"uid": uid, "generation": 1, "resourceVersion": str(version)}
    return RunView.of(raw)


def pod(version: int, uid: str = "p1", phase: str = "Running") -> PodView:
    return PodView(
        "default", f"small-0-{uid}", uid, "small", "worker", "", sequence=version, phase=phase, index=0
    )


def test_an_older_version_never_replaces_a_newer_one() -> None:
    caches = Caches()
    assert caches.put_head(run(5)) == KEY
    assert caches.put_head(run(4)) is None
    found = caches.head_of(KEY)
    assert found is not None
    assert found.sequence == 5


def test_a_change_that_the_operator_does_not_look_at_wakes_nobody() -> None:
    caches = Caches()
    caches.put_head(run(1))
    assert caches.put_pod(pod(2)) == KEY
    assert caches.put_pod(pod(3)) is None
    assert caches.sequences("Pod")["p1"][0] == 3


def test_a_worker_that_vanishes_is_remembered_until_it_is_accounted_for() -> None:
    caches = Caches()
    caches.put_head(run(1))
    caches.put_pod(pod(2))
    assert caches.drop_pod(pod(3)) == KEY
    snapshot = caches.family(KEY)
    assert snapshot is not None
    assert [p.gone for p in snapshot.pods] == [True]
    caches.forget_pods(KEY, ["p1"])
    after = caches.family(KEY)
    assert after is not None
    assert after.pods == ()


def test_a_worker_that_succeeded_is_not_remembered() -> None:
    caches = Caches()
    caches.put_head(run(1))
    caches.put_pod(pod(2, phase="Succeeded"))
    caches.drop_pod(pod(3, phase="Succeeded"))
    snapshot = caches.family(KEY)
    assert snapshot is not None
    assert snapshot.pods == ()


def test_nothing_is_kept_of_a_run_that_is_gone_with_its_children() -> None:
    caches = Caches()
    caches.put_head(run(1))
    caches.put_pod(pod(2))
    caches.applied(KEY, ("Service", "small"), "mark")
    caches.drop_head(run(3))
    assert caches.keys() == []
    caches.drop_pod(pod(4))
    assert caches._shelves == {}


class Lists:
    """What the API server would list: kind -> (uid, version)."""

    def __init__(self, **kinds: list[tuple[str, int]]) -> None:
        self.kinds = kinds

    async def list_metadata(
        self, api: str, kind: str, namespace: str, selector: str, limit: int, token: str
    ) -> dict[str, Any]:
        items = [{"metadata": {"uid": uid, "resourceVersion": str(v)}} for uid, v in self.kinds.get(kind, [])]
        return {"metadata": {"resourceVersion": "100"}, "items": items or None}


class Refusing(Lists):
    """Refuses to list some kinds."""

    def __init__(self, status: int, *refused: str, **kinds: list[tuple[str, int]]) -> None:
        super().__init__(**kinds)
        self.status, self.refused = status, refused

    async def list_metadata(self, api: str, kind: str, *others: Any) -> dict[str, Any]:  # type: ignore[override]
        if kind in self.refused:
            raise ApiError(self.status, f"GET {kind}", "refused")
        return await super().list_metadata(api, kind, *others)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def audit_of(lists: Lists, caches: Caches, clock: Clock, woken: list[Any]) -> Audit:
    return Audit(lists, caches, woken.append, (), clock)  # type: ignore[arg-type]


async def test_the_audit_buries_what_was_deleted_while_no_watch_looked() -> None:
    caches, woken = Caches(), []
    caches.put_head(run(1))
    caches.put_pod(pod(2))
    await audit_of(Lists(WebSSLRun=[("u", 1)]), caches, Clock(), woken).check()
    assert woken == [KEY]
    assert caches.sequences("Pod") == {}


async def test_the_audit_spares_what_came_after_its_list() -> None:
    caches, woken = Caches(), []
    caches.put_head(run(1))
    caches.put_pod(pod(101))
    await audit_of(Lists(WebSSLRun=[("u", 1)]), caches, Clock(), woken).check()
    assert "p1" in caches.sequences("Pod")


async def test_the_caches_have_caught_up_when_they_hold_all_that_was_listed() -> None:
    caches = Caches()
    audit = audit_of(Lists(WebSSLRun=[("u", 5)]), caches, Clock(), [])
    assert not audit.caught_up()
    await audit.check()
    assert not audit.caught_up()
    caches.put_head(run(4))
    assert not audit.caught_up()
    caches.put_head(run(5))
    assert audit.caught_up()


async def test_a_watch_is_stale_when_it_does_not_make_up_for_a_change_in_time() -> None:
    caches, clock = Caches(), Clock()
    caches.put_head(run(1))
    audit = audit_of(Lists(WebSSLRun=[("u", 5)]), caches, clock, [])
    await audit.check()
    clock.now = 89
    assert not audit.stale()
    await audit.check()
    clock.now = 91
    assert audit.stale()
    caches.put_head(run(5))
    assert not audit.stale()


@pytest.mark.parametrize("status", [403, 404])
async def test_a_kind_that_may_be_missing_does_not_hold_up_the_runs(status: int) -> None:
    caches = Caches()
    caches.put_head(run(5))
    lists = Refusing(status, "WebSSLCuration", "RayJob", WebSSLRun=[("u", 5)])
    audit = audit_of(lists, caches, Clock(), [])
    await audit.check()
    assert audit.caught_up()


async def test_a_kind_that_must_be_there_does() -> None:
    audit = audit_of(Refusing(403, "Job"), Caches(), Clock(), [])
    with pytest.raises(ApiError, match="refused"):
        await audit.check()
    assert not audit.caught_up()


async def test_a_quiet_cluster_is_not_stale() -> None:
    caches, clock = Caches(), Clock()
    caches.put_head(run(5))
    audit = audit_of(Lists(WebSSLRun=[("u", 5)]), caches, clock, [])
    await audit.check()
    clock.now = 10_000
    assert not audit.stale()


def test_neighbours_are_the_objects_of_a_kind_in_the_namespace_that_are_there_now() -> None:
    caches = Caches()
    caches.put_head(run(1))
    assert [head.name for head in caches.neighbours("WebSSLRun", "default")] == ["small"]
    assert caches.neighbours("WebSSLRun", "elsewhere") == ()
    assert caches.neighbours("WebSSLEvaluation", "default") == ()
    caches.drop_head(run(2))
    assert caches.neighbours("WebSSLRun", "default") == ()
