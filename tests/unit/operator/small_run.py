"""The valid run as the operator sees it, and its worker Job."""

from __future__ import annotations

from typing import Any

from webssl_operator.construct.worker_job import worker_job
from webssl_operator.observe.run import RunView
from webssl_operator.settings import Images

from tests.manifests.valid import valid_run


def run_of(**changes: Any) -> RunView:
    """A view of the valid run with changes to its spec."""
    raw = valid_run()
    raw["metadata"] |= {"uid": "u", "generation": 3}
    raw["spec"] |= changes
    view = RunView.of(raw)
    assert view.invalid == ""
    return view


def job_of(run: RunView, workers: int = 2) -> dict[str, Any]:
    assert run.spec is not None
    return worker_job(run, run.spec, Images(trainer="webssl/trainer:1"), workers)
