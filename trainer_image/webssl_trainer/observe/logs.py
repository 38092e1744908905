"""One JSON object per line on standard error, with the process's rank and attempt in each."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str = "info", **bound: object) -> None:
    """Set up structlog and the standard library's loggers for this process.

    bound: fields of every line (`rank`, `attempt`, ...).
    """
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        # looked up for every line: a stream that was replaced and closed since must not end the program
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**bound)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
