"""A real API server for the contract tests: one of their own, or that of ``WEBSSL_TEST_CONTEXT``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from kubernetes import client, config
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.kubectl import Kubectl
from webssl_localcluster.progress import Reporter
from webssl_localcluster.state import Spec
from webssl_localcluster.tools.install import Toolbox

CRDS = Path(__file__).parents[2] / "crds" / "generated"


@dataclass(frozen=True)
class ApiServer:
    """A real API server.

    Args:
        kubeconfig: a file that gives admin access.
        context: its context to use; None: the current one.
        kubectl: a kubectl bound to both.
    """

    kubeconfig: Path
    context: str | None
    kubectl: Kubectl


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An API server with all controllers and no nodes; nothing of this project is installed in it."""
    tools = Toolbox(Reporter())
    if context := os.environ.get("WEBSSL_TEST_CONTEXT"):
        kubeconfig = Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
        yield ApiServer(kubeconfig, context, Kubectl(tools.path("kubectl"), kubeconfig, context))
        return
    cluster = LocalCluster(f"contract-{os.getpid()}", tools=tools)
    try:
        cluster.up(Spec(nodes=0, s3=False, prometheus=False))
        yield ApiServer(cluster.kubeconfig, cluster.context, cluster.kubectl)
    finally:
        cluster.down(purge=True)


@pytest.fixture(scope="session")
def kube(api_server: ApiServer) -> client.ApiClient:
    """A client of the API server, which has the CRDs."""
    documents = [
        document for file in sorted(CRDS.glob("*.yaml")) for document in yaml.safe_load_all(file.read_text())
    ]
    crds = [entry for entry in documents if entry and entry["kind"] == "CustomResourceDefinition"]
    api_server.kubectl.apply(crds)
    names = [f"crd/{entry['metadata']['name']}" for entry in crds]
    api_server.kubectl.wait("Established", *names)
    return config.new_client_from_config(str(api_server.kubeconfig), context=api_server.context)
