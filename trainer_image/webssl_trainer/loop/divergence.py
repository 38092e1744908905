"""A run that diverged goes back to its last checkpoint, once: a fault of memory or of a device does not come again.

The same positions come again after the resume, so what the data or the settings did comes again too. A second attempt
that diverges with no newer checkpoint than the first is therefore the user's to mend.
"""

from __future__ import annotations

from typing import NoReturn

from webssl_trainer.checkpoint.claims import ClaimBoard, Divergence, diverged_before
from webssl_trainer.errors import UserError
from webssl_trainer.loop.guard import DivergedError
from webssl_trainer.loop.session import Session


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
