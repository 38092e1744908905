"""WebSSLRun."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from webssl_api.evaluation_object import KIND
from webssl_api.run import RUN

from webssl_operator.kinds.handling import Handling
from webssl_operator.metrics.collector import RunCollector
from webssl_operator.observe.family import Facts, Family
from webssl_operator.observe.run import RunView
from webssl_operator.observe.snapshot import RunSnapshot
from webssl_operator.plan.claims import claims_on
from webssl_operator.plan.decision import Plan
from webssl_operator.plan.planner import plan
from webssl_operator.settings import Settings


def plan_run(family: Family, now: datetime, settings: Settings, facts: Facts) -> Plan:
    """The plan of one run."""
    claims = claims_on(cast("RunView", family.head), facts.neighbours)
    return plan(RunSnapshot.of(family, claims), now, settings)


RUNS = Handling(kind=RUN, view=RunView.of, plan=plan_run, collector=RunCollector, regards=KIND)
