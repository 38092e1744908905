"""The real helm, and where the chart is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml
from webssl_api.kind import GROUP
from webssl_api.kinds import KINDS
from webssl_localcluster.tools.install import Toolbox

ROOT = Path(__file__).parents[3]
CHART = ROOT / "helm" / "webssl-operator"
NAMESPACE = "webssl-system"
CRD = "websslruns.webssl.dev"
CRDS = tuple(f"{kind.plural}.{GROUP}" for kind in KINDS)
KUBERAY = "github.com/ray-project/kuberay/ray-operator@v1.4.2"
SERVICE_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:webssl-webssl-operator"


class Helm:
    """The real helm, with the chart and, for installs, a kubeconfig."""

    def __init__(self, binary: Path, kubeconfig: Path | None = None) -> None:
        self._binary = binary
        self._kubeconfig = kubeconfig

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        place = ["--kubeconfig", str(self._kubeconfig)] if self._kubeconfig else []
        argv = [str(self._binary), *(str(word) for word in words), *place]
        return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)

    def must(self, *words: str | Path) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def template(self, *words: str) -> list[dict[str, Any]]:
        """The rendered objects."""
        text = self.must("template", "webssl", CHART, "--namespace", NAMESPACE, *words)
        return [document for document in yaml.safe_load_all(text) if document]


def go_module(tools: Toolbox, module: str, folder: Path) -> Path:
    """The unpacked Go module `path@version`, by the toolchain with which the cluster's programs are built."""
    go = str(tools.go())
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"])


def ray_job_crd(tools: Toolbox, folder: Path) -> Path:
    """The file with KubeRay's own RayJob kind."""
    return go_module(tools, KUBERAY, folder) / "config" / "crd" / "bases" / "ray.io_rayjobs.yaml"
