"""Which exit code a training process ends with. Pure."""

from __future__ import annotations

import torch.distributed as dist
from webssl_api import exit_codes

from webssl_trainer.checkpoint.claims import FencedError
from webssl_trainer.errors import UserError
from webssl_trainer.loop.guard import DivergedError
from webssl_trainer.storage import StorageUnavailableError

CRASH = 1
"""An error that is neither the user's nor passing: a bug, or memory."""

_LOST_PEER = (
    "connection closed by peer",
    "connection reset",
    "gloo",
    "nccl",
    "broken pipe",
    "socket timeout",
)


def exit_code_of(error: BaseException) -> int:
    """Code for an error that ended a training process.

    USER_ERROR: a retry cannot mend it. RETRY: a peer, the storage or this attempt's claim was lost, or the run goes back
    to its last checkpoint. Else CRASH.
    """
    if isinstance(error, UserError):
        return exit_codes.USER_ERROR
    if isinstance(error, DivergedError | FencedError | StorageUnavailableError) or is_lost_peer(error):
        return exit_codes.RETRY
    return CRASH


def is_lost_peer(error: BaseException) -> bool:
    """Whether an error is how a collective fails when another process is gone."""
    if isinstance(error, dist.DistBackendError | dist.DistNetworkError | dist.DistStoreError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(part in text for part in _LOST_PEER)
