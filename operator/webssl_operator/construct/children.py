"""All children of a run but its Jobs, in the order in which they have to exist."""

from __future__ import annotations

from webssl_api.run import WebSSLRunSpec

from webssl_operator.construct import access, config_maps, network
from webssl_operator.construct.meta import Manifest
from webssl_operator.observe.run import RunView


def standing_children(run: RunView, spec: WebSSLRunSpec, workers: int) -> list[Manifest]:
    """What has to be there before the first pod starts, and stays for the run's life.

    workers: the number of workers that is wanted now.
    """
    return [
        config_maps.run_config(run, spec),
        config_maps.rendezvous(run, workers),
        config_maps.progress(run),
        *(config_maps.evaluation_report(run, suite.key) for suite in spec.evaluation.suites),
        access.service_account(run),
        access.role(run, spec),
        access.role_binding(run),
        network.headless_service(run),
        network.disruption_budget(run, workers),
    ]
