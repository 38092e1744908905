"""`python -m webssl_eval`: what an evaluation pod runs. Its environment says what to do; see `webssl_api.env`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from datetime import UTC, datetime

import structlog
from webssl_api import exit_codes
from webssl_trainer.errors import UserError

log = structlog.get_logger("webssl.eval")


def main(environment: Mapping[str, str]) -> int:
    """Run the suite and report; the exit code. A fault that is not the user's is worth a retry."""
    # Models come from packages, folders and our own storage: never from a hub.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        return _run(environment)
    except UserError as error:
        log.error("eval.user_error", error=str(error))
        return exit_codes.USER_ERROR
    except Exception as error:
        log.exception("eval.failed", error=f"{type(error).__name__}: {error}")
        return exit_codes.RETRY


def _run(environment: Mapping[str, str]) -> int:
    import torch
    from webssl_trainer.observe.logs import configure
    from webssl_trainer.reporting import sink_at
    from webssl_trainer.storage import StorageOptions, open_storage

    from webssl_eval.job import evaluate, send
    from webssl_eval.progress import LoggedProgress
    from webssl_eval.settings import settings_of

    settings = settings_of(environment)
    configure(suite=settings.suite.key)
    sink = sink_at(settings.report)
    options = settings.run.spec.data.storage
    storage = open_storage(StorageOptions.from_env(environment, options.endpoint, options.region))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    scores = evaluate(settings, storage, device, now, LoggedProgress())
    if scores is not None:
        send(scores.report, sink)
    return exit_codes.COMPLETE


def _stopped(*_signal: object) -> None:
    raise SystemExit(exit_codes.RETRY)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stopped)
    sys.exit(main(os.environ))
