"""Which checkpoints the trainer need not hold any longer, by what was scored and what is asked for."""

from __future__ import annotations

import pytest
from webssl_api.evaluation_orders import HeldCheckpoint
from webssl_api.status import EvaluationStatus
from webssl_operator.plan.holding import is_over

from tests.unit.operator.test_evaluation_beside import held

PAST = [
    EvaluationStatus(phase="Succeeded", checkpoint_digest="digest-4", attempt=1, step=4),
    EvaluationStatus(phase="Failed", checkpoint_digest="digest-5", attempt=1, step=5, request="5"),
    EvaluationStatus(phase="Running", checkpoint_digest="digest-6", attempt=1, step=6),
]


@pytest.mark.parametrize(
    ("one", "asked", "answered", "over"),
    [
        (held(4), "", "", True),
        (held(5, "5"), "5", "5", True),
        (held(6), "", "", False),
        (held(8), "", "", False),
        (held(2), "", "", True),
        (held(6, "latest"), "latest", "", False),
        (held(6, "latest"), "latest@2", "", True),
        (held(6, "latest"), "latest", "latest", True),
    ],
    ids=[
        "scored",
        "scored on demand",
        "being scored",
        "newer than all",
        "older than what was scored",
        "asked for",
        "asked for, then something else",
        "asked for, and long answered",
    ],
)
def test_what_need_not_be_held(one: HeldCheckpoint, asked: str, answered: str, over: bool) -> None:
    assert is_over(one, PAST, asked, answered) is over
