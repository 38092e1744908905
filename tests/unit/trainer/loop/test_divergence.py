"""Steps that are not finite: skipped, named, never saved over; many in a row go back to the last checkpoint, once."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from torch import Tensor
from webssl_api import exit_codes
from webssl_trainer.checkpoint.claims import Claim, ClaimBoard, Divergence, diverged_before
from webssl_trainer.checkpoint.peers import Peers
from webssl_trainer.checkpoint.resume import Seen
from webssl_trainer.config import read_run, trainer_config
from webssl_trainer.data import Batch
from webssl_trainer.errors import UserError
from webssl_trainer.loop.guard import DivergedError, FiniteGuard
from webssl_trainer.loop.narrator import Narrator
from webssl_trainer.loop.processes import Processes
from webssl_trainer.loop.session import Session, open_session
from webssl_trainer.loop.stop import StopRequest
from webssl_trainer.loop.train import TrainingLoop
from webssl_trainer.objectives import StepContext
from webssl_trainer.storage import open_storage

from tests.unit.trainer.loop import rank
from tests.unit.trainer.loop.conftest import LocalRun

MOST = 3
# Importing torch takes longer than the trainings; here it is imported once.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([rank.__name__])
ALONE = Processes(torch.device("cpu"), None, Peers(), Peers())


def attempt(run: LocalRun) -> tuple[Session, TrainingLoop]:
    """One more attempt of a run, in this process. Checkpoints are due every 5 steps."""
    session = open_session(trainer_config(read_run(run.run_file)), ALONE, open_storage(), Seen())
    narrator = Narrator(session, 1, None, None, None)
    return session, TrainingLoop(session, narrator, StopRequest(), FiniteGuard(MOST))


def faulty_gradients(session: Session, steps: Iterable[int]) -> None:
    """The gradients of some steps come out as NaN."""
    real, bad = session.objective.forward_backward, set(steps)

    def forward_backward(batches: Sequence[Batch], context: StepContext) -> dict[str, Tensor]:
        terms = real(batches, context)
        if context.step in bad:
            next(p.grad for p in session.objective.trained.parameters() if p.grad is not None).fill_(
                torch.nan
            )
        return terms

    session.objective.forward_backward = forward_backward  # type: ignore[method-assign]


def faulty_memory(session: Session, step: int) -> None:
    """A weight becomes NaN just before a step, and stays so."""
    real = session.objective.forward_backward

    def forward_backward(batches: Sequence[Batch], context: StepContext) -> dict[str, Tensor]:
        if context.step == step:
            with torch.no_grad():
                next(session.objective.trained.parameters()).view(-1)[0] = torch.nan
        return real(batches, context)

    session.objective.forward_backward = forward_backward  # type: ignore[method-assign]


def weights(session: Session) -> list[Tensor]:
    return [
        value.clone()
        for module in session.objective.modules.values()
        for value in module.state_dict().values()
    ]


def test_a_step_that_is_not_finite_changes_no_weight_and_is_named_with_its_samples(
    local_run: Callable[..., LocalRun],
) -> None:
    run = local_run(steps=7, logSampleIds=False)
    session, loop = attempt(run)
    faulty_gradients(session, [3])
    with capture_logs() as logs:
        assert loop.run() == exit_codes.COMPLETE
    steps = run.steps()
    assert [record["step"] for record in steps if record["skipped"]] == [3]
    (named,) = [line for line in logs if line["event"] == "step.skipped"]
    assert named["step"] == 3
    assert named["ids"] == steps[3]["ids"]
    assert len(set(named["ids"])) == 8
    assert "ids" not in steps[2]


def test_a_skipped_step_leaves_weights_teacher_and_optimizer_as_they_are(
    local_run: Callable[..., LocalRun],
) -> None:
    session, loop = attempt(local_run(steps=4))
    seen: dict[int, list[Tensor]] = {}
    faulty_gradients(session, [2])
    real = session.objective.forward_backward

    def watched(batches: Sequence[Batch], context: StepContext) -> Mapping[str, Tensor]:
        seen[context.step] = weights(session)
        return real(batches, context)

    session.objective.forward_backward = watched  # type: ignore[assignment, method-assign]
    loop.run()
    assert all(torch.equal(a, b) for a, b in zip(seen[2], seen[3], strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(seen[1], seen[2], strict=True))


def test_what_one_process_meets_is_skipped_by_all(local_run: Callable[..., LocalRun]) -> None:
    run = local_run(steps=5)
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    ranks = [
        _FORKS.Process(target=rank.main, args=(n, run.run_file, run.folder, store.port, 3)) for n in range(2)
    ]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join(timeout=800)
    assert [process.exitcode for process in ranks] == [0, 0]
    first, second = (json.loads((run.folder / f"rank{n}.json").read_text()) for n in range(2))
    assert first == second
    assert first["code"] == exit_codes.COMPLETE
    steps = run.steps()
    assert [record["step"] for record in steps if record["skipped"]] == [3]
    assert steps[3]["world_size"] == 2
    assert len(set(steps[3]["ids"])) == 8


def test_no_checkpoint_is_taken_amid_skipped_steps(local_run: Callable[..., LocalRun]) -> None:
    run = local_run(steps=12)
    session, loop = attempt(run)
    faulty_gradients(session, [3, 4])
    assert loop.run() == exit_codes.COMPLETE
    assert [path.name[-2:] for path in run.checkpoints()] == ["10", "12"]


def test_a_fault_of_memory_costs_the_steps_since_the_checkpoint_and_no_more(
    local_run: Callable[..., LocalRun],
) -> None:
    run = local_run(steps=12)
    session, loop = attempt(run)
    faulty_memory(session, 7)
    with pytest.raises(DivergedError, match=r"for 3 steps up to step 9 .*back to the checkpoint of step 5"):
        loop.run()
    (claim,) = ClaimBoard(open_storage(), run.uri).read_all()
    assert claim.diverged == Divergence(step=10, saved_step=5)
    session, loop = attempt(run)
    assert session.step == 5
    assert loop.run() == exit_codes.COMPLETE
    assert not any(record["skipped"] for record in run.steps())


def test_a_run_that_ends_amid_skipped_steps_is_complete_when_its_weights_serve_other_samples(
    local_run: Callable[..., LocalRun],
) -> None:
    run = local_run(steps=7)
    session, loop = attempt(run)
    faulty_gradients(session, [5, 6])
    before: list[Tensor] = []
    real = session.objective.forward_backward

    def watched(batches: Sequence[Batch], context: StepContext) -> dict[str, Tensor]:
        before[:] = weights(session)
        return real(batches, context)

    session.objective.forward_backward = watched  # type: ignore[method-assign]
    assert loop.run() == exit_codes.COMPLETE
    assert [path.name[-2:] for path in run.checkpoints()] == ["05", "07"]
    assert [record["skipped"] for record in run.steps()] == [False] * 5 + [True] * 2
    assert all(torch.equal(a, b) for a, b in zip(before, weights(session), strict=True))


@pytest.mark.parametrize("broken_at", [5, 6])
def test_weights_that_may_be_the_reason_are_never_the_final_checkpoint(
    local_run: Callable[..., LocalRun], broken_at: int
) -> None:
    run = local_run(steps=7)
    session, loop = attempt(run)
    faulty_memory(session, broken_at)
    with pytest.raises(DivergedError, match=r"up to step 6 .*back to the checkpoint of step 5"):
        loop.run()
    assert [path.name[-2:] for path in run.checkpoints()] == ["05"]
    session, loop = attempt(run)
    assert session.step == 5
    assert loop.run() == exit_codes.COMPLETE
    assert all(bool(torch.isfinite(value).all()) for value in weights(session))


def test_a_run_that_diverges_again_from_the_same_checkpoint_is_the_users(
    local_run: Callable[..., LocalRun],
) -> None:
    run = local_run(steps=12)
    session, loop = attempt(run)
    faulty_gradients(session, range(7, 12))
    with pytest.raises(DivergedError):
        loop.run()
    session, loop = attempt(run)
    faulty_gradients(session, range(7, 12))
    with pytest.raises(
        UserError,
        match=r"ended so at step 10, from the same checkpoint of step 5: .*spec\.optimizer\.learningRate",
    ):
        loop.run()


def test_a_run_that_came_further_before_it_diverges_again_goes_back_again(
    local_run: Callable[..., LocalRun],
) -> None:
    run = local_run(steps=14)
    session, loop = attempt(run)
    faulty_gradients(session, range(7, 14))
    with pytest.raises(DivergedError, match="the checkpoint of step 5"):
        loop.run()
    session, loop = attempt(run)
    faulty_gradients(session, range(11, 14))
    with pytest.raises(DivergedError, match="the checkpoint of step 10"):
        loop.run()


@given(finite=st.lists(st.booleans(), max_size=30), most=st.integers(1, 5))
def test_a_run_has_diverged_when_its_last_steps_were_all_skipped(finite: list[bool], most: int) -> None:
    guard = FiniteGuard(most)
    for number, good in enumerate(finite, 1):
        loss, norm = (
            (1.0, 2.0) if good else ((torch.nan, 1.0), (1.0, torch.inf), (-torch.inf, 1.0))[number % 3]
        )
        assert guard.accept(loss, norm) is good
        last = finite[:number][-most:]
        assert guard.has_diverged is (len(last) == most and not any(last))


def claims(*diverged: int | None) -> list[Claim]:
    return [
        Claim(
            attempt=n,
            nonce="0" * 8,
            world_size=1,
            diverged=None if at is None else Divergence(step=at + 9, saved_step=at),
        )
        for n, at in enumerate(diverged, 1)
    ]


@pytest.mark.parametrize(
    ("earlier", "saved", "found"),
    [
        ((), 0, None),
        ((None, None), 0, None),
        ((0,), 0, 0),
        ((0,), 5, None),
        ((5, None), 5, 5),
        ((5, 10), 10, 10),
        ((10,), 5, 10),
    ],
)
def test_only_a_divergence_without_a_newer_checkpoint_counts(
    earlier: tuple[int | None, ...], saved: int, found: int | None
) -> None:
    before: Any = diverged_before(claims(*earlier), saved)
    assert (None if before is None else before.saved_step) == found
