"""A process that has everything imported and forks training processes on demand.

Importing torch and the rest takes seconds, and every change of the worker group starts all processes anew. The fork server pays that
once per pod, while the agent does its checks. It has one thread and no CUDA context, so forking it is safe.
"""

from __future__ import annotations

from multiprocessing import forkserver

_PRELOAD = [
    "webssl_trainer.loop.leash",
    "webssl_trainer.loop.entry",
    "torch._dynamo",
    "torch.distributed.fsdp",
]
"""torch._dynamo is what the first optimizer would import."""


def start_fork_server() -> None:
    """Start it; it imports on its own. Training processes inherit the environment as it is now."""
    forkserver.set_forkserver_preload(_PRELOAD)
    forkserver.ensure_running()
