"""The cluster that the tests run on: the local one, or any that `WEBSSL_TEST_CONTEXT` names."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kubernetes import client, config
from webssl_cli.datasets import cache_folder
from webssl_cli.demo import data, steps
from webssl_cli.demo.manifest import surroundings
from webssl_cli.demo.place import TARGETS, Place, given_place
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.kubectl import Kubectl
from webssl_localcluster.progress import Reporter
from webssl_localcluster.tools.install import Toolbox

from tests.e2e.lab.lab import Lab

ROOT = Path(__file__).parents[3]
NAMESPACE = "webssl-e2e"


def foreign_context() -> str | None:
    """The kubeconfig context of a cluster of the user's, if one is named."""
    return os.environ.get("WEBSSL_TEST_CONTEXT")


def foreign_place(context: str) -> Place:
    """That cluster. Its S3 server and images are named by the variables that `webssl demo --context` reads."""
    named = {target: os.environ.get(f"WEBSSL_{target.upper()}_IMAGE", "") for target in TARGETS}
    return given_place(
        context,
        Path(os.environ["KUBECONFIG"]) if os.environ.get("KUBECONFIG") else None,
        s3_endpoint=os.environ.get("WEBSSL_S3_ENDPOINT"),
        s3_inside=os.environ.get("WEBSSL_S3_INSIDE"),
        images=named,
        prometheus=os.environ.get("WEBSSL_PROMETHEUS_URL"),
        environment=os.environ,
    )


def open_lab(place: Place, tools: Toolbox) -> Lab:
    """Install the chart, fill the bucket, make the namespace; idempotent."""
    storage = steps.open_place_storage(place)
    data.fill(storage, cache_folder(), lambda _name: lambda _done, _total: None)
    steps.install_chart(place, ROOT, Reporter(), tools)
    kubeconfig = place.kubeconfig or Path.home() / ".kube" / "config"
    Kubectl(tools.path("kubectl"), kubeconfig, place.context).apply(surroundings(NAMESPACE, place))
    api = config.new_client_from_config(str(kubeconfig), context=place.context)
    return Lab(place, client.ApiClient(api.configuration), storage, NAMESPACE)


@contextmanager
def outages(cluster: LocalCluster | None) -> Iterator[Callable[[float], None]]:
    """A function that takes the S3 server away with SIGKILL for so many seconds; it is back when the block ends.

    On a foreign cluster the commands `WEBSSL_TEST_S3_KILL` and `WEBSSL_TEST_S3_START` do it.
    """
    if cluster is not None:
        kill, start = cluster.kill_s3, cluster.start_s3
    else:
        kill = _command("WEBSSL_TEST_S3_KILL")
        start = _command("WEBSSL_TEST_S3_START")

    def outage(seconds: float) -> None:
        kill()
        time.sleep(seconds)
        start()

    try:
        yield outage
    finally:
        start()


def _command(variable: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run(os.environ[variable], shell=True, check=True)

    return run
