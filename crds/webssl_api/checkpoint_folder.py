"""Which run's folder a checkpoint lies in, by its address. The trainer's `checkpoint/layout.py` makes such folders."""

from __future__ import annotations

import re

_FOLDER = re.compile(r"checkpoints/attempt-\d{8}-[0-9a-f]{8,32}/step-(\d{12})")


def step_within(run_uri: str, checkpoint_uri: str) -> int | None:
    """Step of a checkpoint of the run whose spec.checkpoint.uri is `run_uri`; None when it is not one of that run's.

    Folders deeper down are not: a run's folder may lie within another run's checkpoint.
    """
    above = run_uri.rstrip("/") + "/"
    if not checkpoint_uri.startswith(above):
        return None
    found = _FOLDER.fullmatch(checkpoint_uri.removeprefix(above).rstrip("/"))
    return None if found is None else int(found[1])
