"""WebSSLCuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webssl_api.curation import CURATION, WebSSLCurationSpec
from webssl_api.curation_status import CurationStatus

from webssl_operator.construct.curation import CurationView
from webssl_operator.kinds.handling import Handling
from webssl_operator.metrics.curation import CurationCollector
from webssl_operator.observe.object import ObjectView
from webssl_operator.plan.curation.planner import plan_curation


def view(raw: Mapping[str, Any]) -> CurationView:
    """A pass as the API server serves it."""
    return ObjectView.of(CURATION.name, WebSSLCurationSpec, CurationStatus, raw)


CURATIONS = Handling(kind=CURATION, view=view, plan=plan_curation, collector=CurationCollector)
