"""KubeRay's own operator on a real cluster."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from webssl_localcluster.kubectl import Kubectl
from webssl_localcluster.tools.install import Toolbox
from webssl_localcluster.tools.table import RAY

from tests.e2e.conftest import cluster, lab, tools
from tests.e2e.lab.lab import Lab

__all__ = ["cluster", "kuberay", "lab", "tools"]

FLAGS = (
    "--enable-leader-election=false",
    "--metrics-addr=127.0.0.1:18080",
    "--health-probe-bind-address=127.0.0.1:18081",
    # It runs beside the cluster, not in it: it asks the heads of its clusters through the API server.
    "--use-kubernetes-proxy",
)


@pytest.fixture(scope="session")
def kuberay(lab: Lab, tools: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """KubeRay's operator, and its kinds in the cluster; its log. Kinds that were not there before go again at the end."""
    (program,) = tools.ensure(RAY).values()
    kubeconfig = lab.place.kubeconfig or Path.home() / ".kube" / "config"
    kubectl = Kubectl(tools.path("kubectl"), kubeconfig, lab.place.context)
    kinds = str(program.parent / "bases")
    there = "rayjobs.ray.io" in kubectl("get", "crds", "-o", "name")
    kubectl("apply", "--server-side", "-f", kinds)
    for kind in ("rayclusters", "rayjobs", "rayservices"):
        kubectl.wait("Established", f"crd/{kind}.ray.io")
    own = tmp_path_factory.mktemp("kuberay")
    config = own / "kubeconfig"
    config.write_text(kubectl("config", "view", "--raw", "--minify", "--flatten"))
    log = own / "operator.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [str(program), *FLAGS], stdout=out, stderr=out, env=os.environ | {"KUBECONFIG": str(config)}
        )
    try:
        yield log
    finally:
        process.terminate()
        process.wait(30)
        if not there:
            kubectl("delete", "-f", kinds, "--wait=false")
