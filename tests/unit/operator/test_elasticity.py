"""As many workers as allowed; fewer after a grace time without room; more again later; never under min."""

from __future__ import annotations

import pytest

from tests.unit.operator.world import World


def _parallelism(world: World) -> int:
    assert world.job is not None
    return int(world.job["spec"]["parallelism"])


def _waiting_for_room(world: World, running: int) -> None:
    """`running` workers run, the others find no room."""
    world.settle()
    for number, pod in enumerate(world.alive()):
        if number < running:
            world.start(pod)
        else:
            world.refuse(pod)


@pytest.mark.parametrize(("most", "expected"), [(1, 1), (2, 2), (3, 2), (4, 4), (8, 4)])
def test_a_run_starts_with_the_largest_count_that_divides_the_batch(most: int, expected: int) -> None:
    world = World(min=1, max=most)  # 32 samples in groups of 8: 1, 2 or 4 workers
    world.settle()
    assert _parallelism(world) == expected
    assert world.status.workers.summary == f"0/{expected}"


def test_within_the_grace_time_the_run_waits_and_says_for_what() -> None:
    world = World(min=1, max=4, pendingGrace="1m")
    _waiting_for_room(world, running=2)
    world.pass_time(59)
    world.settle()
    assert _parallelism(world) == 4
    assert "2 of 4 workers wait for room: 0/1 nodes are available" in world.status.message


@pytest.mark.parametrize(("running", "expected"), [(3, 2), (2, 2), (1, 1)])
def test_after_the_grace_time_it_goes_on_with_the_largest_allowed_count_that_has_room(
    running: int, expected: int
) -> None:
    world = World(min=1, max=4, pendingGrace="1m")
    _waiting_for_room(world, running)
    world.pass_time(60)
    world.settle()
    assert _parallelism(world) == expected
    shrunk = world.status.shrunk
    assert shrunk is not None
    assert shrunk.workers == expected
    assert "Insufficient nvidia.com/gpu" in shrunk.reason
    assert "Shrunk" in world.events


def test_it_never_goes_under_min() -> None:
    world = World(min=2, max=4, pendingGrace="1m")
    _waiting_for_room(world, running=1)
    world.pass_time(3600)
    world.settle()
    assert _parallelism(world) == 4
    assert world.status.shrunk is None
    assert "wait for room" in world.status.message


def test_workers_taken_away_by_shrinking_are_no_losses() -> None:
    world = World(min=1, max=4, pendingGrace="1m")
    _waiting_for_room(world, running=3)
    world.pass_time(60)
    world.settle()
    assert world.status.restarts.total == 0


def test_it_asks_for_more_workers_again_after_the_grow_interval() -> None:
    world = World(min=1, max=4, pendingGrace="1m", growInterval="10m")
    _waiting_for_room(world, running=2)
    world.pass_time(60)
    world.settle()
    world.pass_time(599)
    world.settle()
    assert _parallelism(world) == 2
    world.pass_time(1)
    world.settle()
    assert _parallelism(world) == 4
    assert world.status.shrunk is None
    assert len([pod for pod in world.alive() if pod["status"]["phase"] == "Running"]) == 2


def test_a_growth_without_room_is_given_up_after_the_grace_time_and_tried_again() -> None:
    world = World(min=1, max=4, pendingGrace="1m", growInterval="10m")
    _waiting_for_room(world, running=2)
    for seconds, expected in [(60, 2), (600, 4)]:
        world.pass_time(seconds)
        world.settle()
        assert _parallelism(world) == expected
    for pod in world.alive():
        if pod["status"]["phase"] == "Pending":
            world.refuse(pod)
    world.pass_time(60)
    world.settle()
    assert _parallelism(world) == 2
    world.pass_time(600)
    world.settle()
    assert _parallelism(world) == 4


def test_the_wake_up_is_due_when_the_grace_time_ends() -> None:
    world = World(min=1, max=4, pendingGrace="1m")
    _waiting_for_room(world, running=2)
    world.pass_time(10)
    decided = world.operate()
    assert decided.wake is not None
    assert (decided.wake - world.now).total_seconds() <= 50


def test_scaling_by_the_user_changes_the_job_in_place() -> None:
    world = World(min=1, max=2)
    world.settle()
    world.change_spec(workers=world.run["spec"]["workers"] | {"max": 4})
    world.settle()
    assert _parallelism(world) == 4
    assert world.jobs_made == 1


def test_under_kueue_the_number_of_workers_is_left_alone() -> None:
    world = World(queue="research", min=1, max=4, pendingGrace="1m")
    world.settle()
    assert world.job is not None
    world.job["spec"]["suspend"] = False
    world._store_job()
    world.settle()
    _waiting_for_room(world, running=2)
    world.pass_time(3600)
    world.settle()
    assert _parallelism(world) == 4
