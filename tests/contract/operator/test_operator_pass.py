"""A whole pass over a small data set: the operator's own Jobs, and in the kubelet's place the pods' own program.

The program runs in this process with the command, the environment, the ConfigMap and the service account that the operator gave its pod.
"""

from __future__ import annotations

import base64
import io
import ssl
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pyarrow.dataset as ds
import pytest
import yaml
from PIL import Image
from webssl_api import labels
from webssl_api.curation import CURATION, CURATION_KEY
from webssl_api.curation_status import CurationPhase
from webssl_trainer.configmaps import ConfigMap
from webssl_trainer.curation import pod as program
from webssl_trainer.curation.settings import parse
from webssl_trainer.data.pack import PackItem, shard_bytes
from webssl_trainer.reporting import ConfigMapSink

from tests.contract.conftest import ApiServer
from tests.contract.operator.lab import Lab
from tests.contract.operator.test_operator_kinds import create, curation_until, run_pods
from tests.manifests.valid import valid_curation

SAMPLES, SHARDS = 12, 4


def _shards(folder: Path) -> str:
    """Shards with a picture of its own in each sample but one, which is no picture."""
    folder.mkdir()
    for shard in range(SHARDS):
        items = []
        for number in range(SAMPLES // SHARDS):
            buffer = io.BytesIO()
            Image.linear_gradient("L").rotate(7 * (3 * shard + number)).save(buffer, "PNG")
            items.append(PackItem(f"{shard}-{number}", buffer.getvalue(), "png"))
        if shard == 1:
            items[0] = PackItem("1-0", b"no picture", "png")
        (folder / f"{shard}.tar").write_bytes(shard_bytes(items))
    return f"{folder.as_uri()}/{{0..{SHARDS - 1}}}.tar"


class Pods:
    """Runs the program of a pod as the kubelet would."""

    def __init__(self, lab: Lab, api_server: ApiServer, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.lab, self.folder = lab, folder
        name = labels.curation_name("text")
        token = folder / "token"
        token.write_text(api_server.kubectl("create", "token", name, "-n", lab.namespace))
        raw = yaml.safe_load(api_server.kubectl("config", "view", "--minify", "--flatten"))
        cluster = raw["clusters"][0]["cluster"]
        trusted = base64.b64decode(cluster["certificate-authority-data"]).decode()
        context = ssl.create_default_context(cadata=trusted)
        client = httpx.Client(base_url=cluster["server"], verify=context, timeout=60)

        def sink_at(address: str) -> ConfigMapSink:
            parts = urlsplit(address)
            config_map = ConfigMap(client, parts.netloc, parts.path.strip("/"), token)
            return ConfigMapSink(config_map, parts.fragment)

        # A pod finds API server and token at places that this machine does not have.
        patch.setattr(program, "sink_at", sink_at)

    def run(self, pod: Any) -> int:
        """To the end of the pod; returns its exit code."""
        (container,) = pod.spec.containers
        assert container.command[:3] == ["python", "-m", "webssl_trainer.curation"]
        (mounted,) = (v for v in pod.spec.volumes if v.config_map is not None)
        config = self.folder / CURATION_KEY
        config.write_text(self.lab.config_map(mounted.config_map.name).data[CURATION_KEY])
        environment = {entry.name: entry.value or "" for entry in container.env}
        index = (pod.metadata.annotations or {}).get("batch.kubernetes.io/job-completion-index", "0")
        places = [
            "--curation",
            str(config),
            "--range",
            index,
            "--threads",
            "1",
            "--scratch",
            str(self.folder),
        ]
        code = program.run(parse([*container.command[3:], *places], environment), threading.Event())
        self.lab.end(pod, code)
        return code


def test_a_pass_by_the_pods_own_program(
    lab: Lab, api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create(
        lab,
        CURATION,
        valid_curation(),
        engine="job",
        data={"source": _shards(tmp_path / "shards")},
        scorers={"quality": {}, "duplicates": {}},
        output={"uri": (tmp_path / "scores").as_uri()},
        maxBadShare=0.5,
    )
    scoring = run_pods(lab, CURATION, "text", labels.curation_name("text"), 2)
    pods = Pods(lab, api_server, tmp_path, monkeypatch)
    assert [pods.run(pod) for pod in scoring] == [0, 0]
    status = curation_until(lab, "progress", lambda s: s.samples == SAMPLES)
    assert (status.shards_done, status.shards_total, sum(status.failures.values())) == (SHARDS, SHARDS, 1)
    (finishing,) = run_pods(lab, CURATION, "text", labels.curation_finish_name("text"), 1)
    assert pods.run(finishing) == 0
    status = curation_until(lab, "success", lambda s: s.phase is CurationPhase.SUCCEEDED)
    table = ds.dataset(urlsplit(status.table_uri).path, format="parquet").to_table()
    assert (table.num_rows, status.rows) == (SAMPLES, SAMPLES)
    assert len(set(zip(table["shard"].to_pylist(), table["key"].to_pylist(), strict=True))) == SAMPLES
    assert len(status.table_digest) == 64
