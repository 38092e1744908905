"""The S3 server: SeaweedFS on the cluster's address, with one pair of keys."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import httpx

from .errors import ClusterError
from .plan import S3_PORT, Plan
from .processes import Program

VOLUME_MEGABYTES = 1024
MOST_VOLUMES = 400
GRPC_PORTS = {"master": 19333, "volume": 18080, "filer": 18888, "s3": 18333}


@dataclass(frozen=True)
class S3Access:
    """What a client needs. The region is a formality that signatures want."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    @property
    def environment(self) -> dict[str, str]:
        """The usual variables of AWS clients."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": self.region,
        }


def access(plan: Plan, file: Path) -> S3Access:
    """The keys kept in ``file`` (SeaweedFS's own format), made at random the first time."""
    if not file.exists():
        keys = {"accessKey": f"webssl{secrets.token_hex(6)}", "secretKey": secrets.token_urlsafe(30)}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "webssl", "credentials": [keys], "actions": actions}
        file.touch(mode=0o600)
        file.write_text(json.dumps({"identities": [identity]}, indent=2))
    stored = json.loads(file.read_text())["identities"][0]["credentials"][0]
    return S3Access(plan.s3_url, stored["accessKey"], stored["secretKey"])


def grpc_ports(plan: Plan) -> dict[str, int]:
    """The port of each part's gRPC service; no two clusters share one."""
    return {part: port + plan.index for part, port in GRPC_PORTS.items()}


def sockets(plan: Plan) -> list[Path]:
    """The socket files that the server leaves behind."""
    names = {part: f"seaweedfs-{part}-grpc-{port}.sock" for part, port in grpc_ports(plan).items()}
    return [Path("/tmp") / name for name in names.values()]


def program(binary: Path, plan: Plan, data: Path, keys: Path) -> Program:
    """``weed server``: master, volume server, filer and S3 gateway in one process.

    Its parts talk over sockets in /tmp that are named after gRPC ports and nothing else, so each cluster has its own.
    """
    return Program(
        "s3",
        [
            binary,
            "server",
            f"-dir={data}",
            f"-ip={plan.host}",
            f"-ip.bind={plan.host}",
            "-s3",
            f"-s3.port={S3_PORT}",
            f"-s3.config={keys}",
            f"-s3.localSocket={data}/s3.sock",
            f"-filer.localSocket={data}/filer.sock",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.iam=false",
            *(f"-{part}.port.grpc={port}" for part, port in grpc_ports(plan).items()),
            "-master.telemetry=false",
            # One master: no election, so that a restart takes seconds.
            "-master.peers=none",
            "-volume.preStopSeconds=0",
            f"-master.volumeSizeLimitMB={VOLUME_MEGABYTES}",
            f"-volume.max={MOST_VOLUMES}",
            "-volume.minFreeSpace=1",
        ],
        configs=[keys],
    )


def answers(endpoint: str) -> bool:
    """Whether the server speaks S3: without keys it refuses, and that is an answer."""
    try:
        return httpx.get(endpoint, timeout=2, trust_env=False).status_code in {200, 403}
    except httpx.HTTPError:
        return False


def make_bucket(where: S3Access, name: str) -> None:
    """Creates the bucket unless it is there.

    Raises:
        ClusterError: the name is too short, or the server refuses.
    """
    if len(name) < 3:
        raise ClusterError(f"bucket {name!r}: shorter than 3 characters", "choose a longer name")
    import s3fs

    files = s3fs.S3FileSystem(
        key=where.access_key,
        secret=where.secret_key,
        client_kwargs={"endpoint_url": where.endpoint, "region_name": where.region},
        skip_instance_cache=True,
    )
    try:
        if not files.exists(name):
            files.mkdir(name)
    except OSError as error:
        raise ClusterError(
            f"bucket {name!r} at {where.endpoint}: {error}", "webssl cluster status"
        ) from error
