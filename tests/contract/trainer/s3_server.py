"""A real S3 server on the loopback, for tests of the data plane."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from webssl_localcluster.progress import Reporter
from webssl_localcluster.s3 import S3Access, answers, make_bucket
from webssl_localcluster.tools.install import Toolbox

_PARTS = ("master", "volume", "filer")


def free_ports(count: int) -> list[int]:
    """Ports that nobody uses now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]
    finally:
        for item in sockets:
            item.close()


@contextmanager
def s3_server(folder: Path, bucket: str) -> Iterator[S3Access]:
    """`weed server` with a bucket, until the block ends."""
    keys = {"accessKey": "webssltests", "secretKey": "not-a-secret-at-all"}
    identity = {
        "name": "tests",
        "credentials": [keys],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}))
    data = folder / "data"
    data.mkdir()
    names = [f"{part}.port{kind}" for part in (*_PARTS, "s3") for kind in ("", ".grpc")]
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    command = [
        str(Toolbox(Reporter()).path("weed")), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3",
        f"-s3.config={config}", *(f"-{name}={port}" for name, port in ports.items()),
        f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/filer.sock", "-s3.port.iceberg=0",
        "-s3.port.lance=0", "-s3.iam=false", "-master.telemetry=false", "-master.peers=none",
        "-volume.preStopSeconds=0", "-master.volumeSizeLimitMB=64", "-volume.max=20",
    ]  # fmt: skip
    access = S3Access(f"http://127.0.0.1:{ports['s3.port']}", keys["accessKey"], keys["secretKey"])
    with (folder / "weed.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            until = time.monotonic() + 120
            while not _ready(access, bucket):
                if server.poll() is not None or time.monotonic() > until:
                    raise AssertionError((folder / "weed.log").read_text()[-4000:])
                time.sleep(0.3)
            yield access
        finally:
            server.kill()


def _ready(access: S3Access, bucket: str) -> bool:
    if not answers(access.endpoint):
        return False
    try:
        make_bucket(access, bucket)
    except Exception:  # it answers before it can write
        return False
    return True
