"""`spec.restartPolicy`: when a run that keeps failing is given up."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from webssl_api.base import ApiModel
from webssl_api.durations import Duration


class RestartPolicySpec(ApiModel):
    """Failures that count against the run. Evictions, preemptions and lost nodes do not count."""

    max_restarts: Annotated[int, Field(ge=0, le=500)] = 20
    """Worker failures within the window after which the run fails."""

    window: Duration = "24h"
    """Length of the sliding window."""
