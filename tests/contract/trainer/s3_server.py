"""A real S3 server on the loopback, for tests of the data plane."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from webssl_localcluster.progress import Reporter
from webssl_localcluster.s3 import S3Access, answers, make_bucket
from webssl_localcluster.tools.install import Toolbox

from tests.contract.ports import free_ports

_PARTS = ("master", "volume", "filer")


class S3Server:
    """`weed server` with a bucket; it can be killed and started again on its ports, with its data."""

    def __init__(self, folder: Path, bucket: str, more_keys: Sequence[tuple[str, str]] = ()) -> None:
        self._folder, self._bucket = folder, bucket
        pairs = [("webssltests", "not-a-secret-at-all"), *more_keys]
        keys = [{"accessKey": access, "secretKey": secret} for access, secret in pairs]
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        names = [f"tests-{at}" for at in range(len(keys))]
        identities = [
            {"name": name, "credentials": [pair], "actions": actions}
            for name, pair in zip(names, keys, strict=True)
        ]
        config = folder / "s3.json"
        config.write_text(json.dumps({"identities": identities}))
        data = folder / "data"
        data.mkdir()
        names = [f"{part}.port{kind}" for part in (*_PARTS, "s3") for kind in ("", ".grpc")]
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        self._command = [
            str(Toolbox(Reporter()).path("weed")), "server", f"-dir={data}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
            "-s3", f"-s3.config={config}", *(f"-{name}={port}" for name, port in ports.items()),
            f"-s3.localSocket={folder}/s3.sock", f"-filer.localSocket={folder}/filer.sock", "-s3.port.iceberg=0",
            "-s3.port.lance=0", "-s3.iam=false", "-master.telemetry=false", "-master.peers=none",
            "-volume.preStopSeconds=0", "-master.volumeSizeLimitMB=64", "-volume.max=20",
        ]  # fmt: skip
        self.access = S3Access(f"http://127.0.0.1:{ports['s3.port']}", *pairs[0])
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "weed.log").open("ab") as log:
            self._server = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + 300
        while not _ready(self.access, self._bucket):
            if self._server.poll() is not None or time.monotonic() > until:
                raise AssertionError((self._folder / "weed.log").read_text()[-4000:])
            time.sleep(0.3)

    def kill(self) -> None:
        """SIGKILL."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()


@contextmanager
def s3_server(folder: Path, bucket: str) -> Iterator[S3Access]:
    """A server with a bucket, until the block ends."""
    server = S3Server(folder, bucket)
    try:
        server.start()
        yield server.access
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
