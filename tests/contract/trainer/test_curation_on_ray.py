"""The pass on Ray Data, started on this machine by a pod's command: the very table that threads make, and no ear on the network."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image
from webssl_api.curation import ResolvedCuration, WebSSLCurationSpec
from webssl_api.curation_status import FINISH_KEY, CurationReport
from webssl_trainer.curation.counting import Count
from webssl_trainer.curation.engine_threads import score_shards
from webssl_trainer.curation.finish import finish
from webssl_trainer.curation.opening import open_pass
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import open_storage

LOOPBACK = ("127.", "::1", "::ffff:127.")


def spec_of(base: str, output: str) -> WebSSLCurationSpec:
    return WebSSLCurationSpec.model_validate(
        {
            "data": {"source": f"{base}/shards/*.tar"},
            "scorers": {"text": {"lightShare": 0.5}, "duplicates": {}, "quality": {}},
            "output": {"uri": f"{base}/{output}"},
            "parallelism": 2,
            "maxBadShare": 1.0,
        }
    )


def pictures(base: str) -> None:
    """Five shards of four images, one of them broken."""

    def file(number: int) -> bytes:
        pixels = np.random.default_rng(number).integers(0, 255, (6, 6, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).resize((64, 64)).save(buffer, "PNG")
        return buffer.getvalue() if number != 7 else b"nothing"

    pack([PackItem(f"{n:02d}", file(n), "png") for n in range(20)], open_storage(), f"{base}/shards", 4)


def listening(process: psutil.Process) -> set[str]:
    """Addresses on which a process and its children accept connections."""
    found = set()
    for one in [process, *process.children(recursive=True)]:
        try:
            found |= {
                item.laddr.ip for item in one.net_connections("inet") if item.status == psutil.CONN_LISTEN
            }
        except psutil.Error:  # it has ended meanwhile
            continue
    return found


def test_ray_makes_the_table_of_threads_and_listens_on_the_loopback_only(tmp_path: Path) -> None:
    base = f"file://{tmp_path}"
    pictures(base)
    threads, ray = spec_of(base, "threads"), spec_of(base, "ray")
    parts = open_pass(open_storage(), threads, tmp_path)
    assert score_shards(parts, range(5), 2, 10**8, 1.0, Count(5, 20))
    expected = finish(parts, threads, tmp_path).manifest

    (tmp_path / "curation.yaml").write_text(
        ResolvedCuration(name="score", namespace="team", uid="1", spec=ray).to_yaml()
    )
    env = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    with (tmp_path / "log").open("wb") as log:  # nobody reads it meanwhile: a pipe would fill up
        pod = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "webssl_trainer.curation",
                "ray",
                "--curation",
                f"{tmp_path}/curation.yaml",
            ],
            env={**env, "WEBSSL_REPORT": f"{base}/reports", "WEBSSL_SCRATCH": str(tmp_path)},
            stderr=log,
        )
    heard: set[str] = set()
    try:
        while pod.poll() is None:
            heard |= listening(psutil.Process(pod.pid))
            time.sleep(0.5)
    finally:
        pod.kill()
        pod.wait()
    assert pod.returncode == 0, (tmp_path / "log").read_text()[-8000:]
    assert heard, "Ray was seen listening"
    assert {address for address in heard if not address.startswith(LOOPBACK)} == set()

    report = CurationReport.model_validate_json((tmp_path / "reports" / FINISH_KEY).read_text())
    assert (report.finished, report.rows, report.failures) == (True, 20, {"not-decoded": 1})
    assert report.table_digest == expected.digest
