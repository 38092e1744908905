"""A run that diverged goes back to its last checkpoint, once: a fault of memory or of a device does not come again.

The same positions come again after the resume, so what the data or the settings did comes again too. A second attempt
that diverges with no newer checkpoint than the first is therefore the user's to mend.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from webssl_trainer.checkpoint.claims import ClaimBoard, Divergence, diverged_before
from webssl_trainer.errors import UserError
from webssl_trainer.loop.guard import DivergedError, FiniteGuard
from webssl_trainer.loop.session import Session
from webssl_trainer.loop.step import clip_and_measure, compute_gradients, update


def end_diverged(session: Session, skipped: int) -> NoReturn:
    """End the attempt after `skipped` steps in a row that were not finite; all processes call it at the same step.

    Raises:
        DivergedError: the next attempt may do better. The claim of this one says that it diverged.
        UserError: an earlier attempt came to the same end from the same checkpoint.
    """
    board = ClaimBoard(session.storage, session.config.checkpoint_uri)
    mine = session.start.claim

    def settle() -> Divergence | None:
        earlier = [claim for claim in board.read_all() if claim.key < mine.key]
        found = Divergence(step=session.step, saved_step=session.saved_step)
        board.update(mine.model_copy(update={"diverged": found}))
        return diverged_before(earlier, session.saved_step)

    before = session.processes.peers.led(settle)
    rate = session.schedules.learning_rate(session.step - 1)
    what = (
        f"loss or gradient norm has not been finite for {skipped} steps up to step {session.step - 1} "
        f"(learning rate {rate:.3g}); the log names their samples"
    )
    if before is None:
        raise DivergedError(f"{what}: going back to the checkpoint of step {session.saved_step}")
    raise UserError(
        f"{what}. An earlier attempt ended so at step {before.step}, from the same checkpoint of step {session.saved_step}: "
        "the run has diverged; lower spec.optimizer.learningRate in a new run"
    )


def is_finite_beyond_the_end(session: Session) -> bool:
    """Whether loss and gradient would be finite in one more step than the run has; all processes call it together.

    A run that ends amid skipped steps asks, for its weights may be the reason, and the final checkpoint would hold them. Other samples
    than those that were skipped tell; nothing changes: the gradient is dropped.
    """
    config = session.config
    last = replace(config.stages[-1], end=config.total_steps + 1)
    longer = replace(session, config=replace(config, stages=(*config.stages[:-1], last)))
    with longer.loader(len(config.stages) - 1) as loader:
        measured = clip_and_measure(longer, compute_gradients(longer, next(loader)))
    update(longer, accepted=False)
    return FiniteGuard().accept(measured.loss, measured.gradient_norm)
