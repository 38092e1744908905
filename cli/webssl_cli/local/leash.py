"""`python -m webssl_cli.local.leash COMMAND...`: run a command that ends when its parent does.

The processes of a pod end with the pod. Processes on this machine would outlive a `webssl run` that was killed, and
go on training; Linux can send them a signal instead.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
ORPHAN = 75


def main() -> None:
    """Replace this process by the command of the arguments."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(ORPHAN)
    os.execvp(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
