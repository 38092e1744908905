"""`python -m webssl_trainer.curation score|finish|ray`: one pod of a pass."""

from __future__ import annotations

import os
import signal
import sys
import threading

from webssl_trainer.curation.settings import parse


def main() -> int:
    """Run the pod; its exit code. A signal to stop counts from the first moment on."""
    settings = parse(sys.argv[1:], os.environ)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from webssl_trainer.curation.pod import run

    return run(settings, stop)


if __name__ == "__main__":
    sys.exit(main())
