"""All children of a run but its Jobs, in the order in which they have to exist."""

from __future__ import annotations

from webssl_api import labels
from webssl_api.run import WebSSLRunSpec

from webssl_operator.construct import access, config_maps, network
from webssl_operator.construct.meta import Manifest
from webssl_operator.observe.run import RunView


def standing_marks(
    run: RunView, spec: WebSSLRunSpec, workers: int, guarded: bool, orders: str = ""
) -> dict[tuple[str, str], str]:
    """Kind and name of every standing child, with a mark that is another one whenever its manifest is.

    Manifests depend on the run, its generation and, some of them, on the number of workers, the request for a trace or the orders on
    checkpoints; so marks are had without building them.
    """
    budget = {("PodDisruptionBudget", labels.job_name(run.name)): f"{run.uid}/{run.generation}/{workers}"}
    steady = f"{run.uid}/{run.generation}"
    account, job = labels.service_account_name(run.name), labels.job_name(run.name)
    return {
        ("ConfigMap", labels.run_config_name(run.name)): "/".join(
            filter(None, (steady, run.profile, orders))
        ),
        ("ConfigMap", labels.rendezvous_name(run.name)): f"{steady}/{workers}",
        ("ConfigMap", labels.progress_name(run.name)): steady,
        **{
            ("ConfigMap", labels.evaluation_name(run.name, suite.key)): steady
            for suite in spec.evaluation.suites
        },
        ("ServiceAccount", account): steady,
        ("Role", account): steady,
        ("RoleBinding", account): steady,
        ("Service", job): steady,
        **(budget if guarded else {}),
    }


def standing_children(
    run: RunView, spec: WebSSLRunSpec, workers: int, guarded: bool, orders: str = ""
) -> list[Manifest]:
    """What has to be there before the first pod starts, and stays for the run's life.

    workers: the number of workers that is wanted now. guarded: whether there are workers for a disruption budget to guard; before
    that the cluster would only complain, in an event for each run, that the budget has no pods. orders: what the trainer is to do with
    checkpoints that are to be scored.
    """
    return [
        config_maps.run_config(run, spec, orders),
        config_maps.rendezvous(run, workers),
        config_maps.progress(run),
        *(config_maps.evaluation_report(run, suite.key) for suite in spec.evaluation.suites),
        *access.run_identity(run, spec),
        network.headless_service(run),
        *([network.disruption_budget(run, workers)] if guarded else []),
    ]
