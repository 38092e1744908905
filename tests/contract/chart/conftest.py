"""Helm, kubeconform, promtool and an API server of the chart's own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest
from webssl_localcluster.cluster import LocalCluster
from webssl_localcluster.processes import wait_until
from webssl_localcluster.progress import Reporter
from webssl_localcluster.state import Spec
from webssl_localcluster.tools.install import Toolbox

from tests.contract.chart import schemas
from tests.contract.chart.programs import CHART, CRDS, NAMESPACE, Helm, go_module, ray_job_crd
from tests.contract.chart.server import Server, owners_known, with_audit

PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.93.0"


@pytest.fixture(scope="session")
def tools() -> Toolbox:
    return Toolbox(Reporter())


@pytest.fixture(scope="session")
def helm(tools: Toolbox) -> Helm:
    tools.ensure(["helm"])
    return Helm(tools.path("helm"))


@pytest.fixture(scope="session")
def server(tools: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("chart-server")
    # In the folder of all clusters, so that it gets an address that no other one has.
    cluster = LocalCluster(f"chart-{os.getpid()}", reporter=Reporter(), tools=tools)
    try:
        cluster.up(Spec(nodes=0, s3=False, prometheus=False))
        audit = with_audit(cluster, folder)
        yield Server(cluster, audit)
    finally:
        cluster.down(purge=True)


@pytest.fixture(scope="session")
def installed_helm(server: Server, helm: Helm, tools: Toolbox) -> Helm:
    """Helm with the server's kubeconfig."""
    return Helm(tools.path("helm"), server.cluster.kubeconfig)


@pytest.fixture(scope="session")
def kubeconform(
    server: Server, tools: Toolbox, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], subprocess.CompletedProcess[str]]:
    """Checks manifests against the schemas of the server's own kinds; kinds without a schema are an error."""
    tools.ensure(["kubeconform"])
    folder = tmp_path_factory.mktemp("schemas")
    index = json.loads(server.kubectl("get", "--raw", "/openapi/v3"))["paths"]
    urls = [entry["serverRelativeURL"] for path, entry in index.items() if schemas.is_builtin(path)]
    documents = (json.loads(server.kubectl("get", "--raw", url)) for url in urls)
    assert schemas.write(documents, folder) > 100

    def check(manifests: str) -> subprocess.CompletedProcess[str]:
        argv = [
            str(tools.path("kubeconform")),
            "-strict",
            "-summary",
            "-schema-location",
            f"{folder}/{schemas.LOCATION}",
            "-",
        ]
        return subprocess.run(argv, input=manifests, capture_output=True, text=True, timeout=300, check=False)

    return check


@pytest.fixture(scope="session")
def monitoring_kinds(server: Server, tools: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """The server with the real kinds of the Prometheus operator."""
    module = go_module(tools, PROMETHEUS_OPERATOR, tmp_path_factory.mktemp("module"))
    for kind in ("podmonitors", "prometheusrules"):
        file = module / "example" / "prometheus-operator-crd" / f"monitoring.coreos.com_{kind}.yaml"
        server.kubectl("apply", "--server-side", "-f", str(file))
        server.kubectl.wait("Established", f"crd/{kind}.monitoring.coreos.com")
    return server


@pytest.fixture(scope="module")
def ray_kind(server: Server, tools: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The server with KubeRay's real RayJob kind; nobody acts on it."""
    file = ray_job_crd(tools, tmp_path_factory.mktemp("kuberay"))
    server.kubectl("apply", "--server-side", "-f", str(file))
    server.kubectl.wait("Established", "crd/rayjobs.ray.io")
    yield
    server.kubectl("delete", "-f", str(file), "--ignore-not-found")


@pytest.fixture(scope="module")
def release(installed_helm: Helm, server: Server) -> Iterator[str]:
    """The chart as `make demo` installs it."""
    installed_helm.must("install", "webssl", CHART, "--namespace", NAMESPACE, "--create-namespace")
    server.kubectl.wait("Established", *(f"crd/{crd}" for crd in CRDS))
    wait_until(lambda: owners_known(server), "the kinds known as owners", 300, "look at the API server's log")
    yield "webssl"
    installed_helm.must("uninstall", "webssl", "--namespace", NAMESPACE, "--ignore-not-found")
    server.kubectl("delete", "crd", *CRDS, "--ignore-not-found")
    server.kubectl("delete", "lease", "--all", "--namespace", NAMESPACE)
