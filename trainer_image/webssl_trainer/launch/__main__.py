"""`python -m webssl_trainer.launch`: one worker pod. Heavy imports come after the fork server has begun its own."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from webssl_api import env as names

from webssl_trainer.launch.settings import SCRATCH, LaunchSettings, parse
from webssl_trainer.launch.warm import start_fork_server


def main() -> int:
    """Set the environment, warm up, run the pod; its exit code. A signal to stop counts from the first moment on."""
    settings = parse(sys.argv[1:], os.environ)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # until there is a scratch folder
    settings.scratch.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="webssl-", dir=settings.scratch))
    try:
        os.environ.update(environment_of(settings, scratch))
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        start_fork_server()
        from webssl_trainer.launch.pod import run
        from webssl_trainer.loop.profile_watch import SIGNALLED_NAME, signalled_text

        # By a file: a process that is about to start would be ended by a signal.
        asked = scratch / SIGNALLED_NAME
        signal.signal(signal.SIGUSR2, lambda *_: asked.write_text(signalled_text()))

        return run(settings, scratch, stop)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def environment_of(settings: LaunchSettings, scratch: Path) -> dict[str, str]:
    """What the agent and its training processes read from the environment."""
    return {
        names.RUN_FILE: str(settings.run_file),
        names.REPORT: settings.report,
        SCRATCH: str(scratch),
        "WEBSSL_LOG_LEVEL": settings.log_level,
        "TORCH_ELASTIC_WORKER_IDENTICAL": "1",  # ranks follow from the round alone, without the store
        "TORCHELASTIC_SIGNALS_TO_HANDLE": "SIGHUP",  # SIGTERM and SIGINT are ours
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
    }


if __name__ == "__main__":
    sys.exit(main())
