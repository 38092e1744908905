"""Importing this ties a process to its parent: when the parent ends, the kernel ends the process.

The fork server imports it first. A pod's processes end with their agent anyway; without a cluster they would go on training.
"""

from __future__ import annotations

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def tie_to_parent() -> None:
    """Have the kernel send SIGKILL to this process when its parent ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


tie_to_parent()
