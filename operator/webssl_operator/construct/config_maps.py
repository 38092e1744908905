"""The run's ConfigMaps. Those that pods write to are made empty here, so that the pods' Role can name them."""

from __future__ import annotations

from webssl_api import labels
from webssl_api.evaluation_orders import ORDERS_KEY
from webssl_api.resolved import RUN_KEY
from webssl_api.run import WebSSLRunSpec

from webssl_operator.construct.meta import Manifest, child_meta
from webssl_operator.construct.worker_job import run_yaml
from webssl_operator.observe.run import RunView


def run_config(run: RunView, spec: WebSSLRunSpec, orders: str = "") -> Manifest:
    """run.yaml: everything that a pod must know about its run. Beside it what pods see change: the request for a trace, and the orders
    on checkpoints that are to be scored."""
    asked = {
        name: text for name, text in {labels.PROFILE_KEY: run.profile, ORDERS_KEY: orders}.items() if text
    }
    return _config_map(
        run,
        labels.run_config_name(run.name),
        labels.ROLE_WORKER,
        data={RUN_KEY: run_yaml(run, spec), **asked},
    )


def rendezvous(run: RunView, workers: int) -> Manifest:
    """Only the wanted number of workers is ours; the agents own every other key."""
    return _config_map(
        run,
        labels.rendezvous_name(run.name),
        labels.ROLE_RENDEZVOUS,
        data={labels.WORKERS: str(workers)},
    )


def progress(run: RunView) -> Manifest:
    """Rank 0 writes its report into it."""
    return _config_map(run, labels.progress_name(run.name), labels.ROLE_REPORT)


def evaluation_report(run: RunView, suite: str) -> Manifest:
    """The evaluation pod of a suite writes its report into it."""
    return _config_map(run, labels.evaluation_name(run.name, suite), labels.ROLE_REPORT, suite=suite)


def _config_map(
    run: RunView, name: str, role: str, suite: str = "", data: dict[str, str] | None = None
) -> Manifest:
    manifest: Manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": child_meta(run, name, role, suite),
    }
    return manifest | ({"data": data} if data else {})
