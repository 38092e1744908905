"""The state folder of a cluster: what was asked for, and where everything is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any

from .errors import ClusterError
from .plan import Plan, free_index


@dataclass(frozen=True)
class Spec:
    """What a cluster consists of.

    Args:
        nodes: real nodes; 0 gives an API server that nothing runs on (see ``kwok_nodes``).
        kwok_nodes: simulated nodes, on which every pod succeeds at once.
        gpus: ``nvidia.com/gpu`` advertised by each real node; no device is behind them.
        s3: run the S3 server.
        prometheus: run Prometheus.
        egress: let pods and image pulls out of the machine.
    """

    nodes: int = 2
    kwok_nodes: int = 0
    gpus: int = 0
    s3: bool = True
    prometheus: bool = True
    egress: bool = False


def base_folder(env: Mapping[str, str] | None = None) -> Path:
    """``${XDG_STATE_HOME:-~/.local/state}/webssl/cluster``: one folder below it for each cluster."""
    values = os.environ if env is None else env
    return Path(values.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "webssl" / "cluster"


class State:
    """The folder of the cluster called ``name``."""

    def __init__(self, name: str, base: Path | None = None) -> None:
        self.name = name
        self.base = base or base_folder()
        self.folder = self.base / name

    @property
    def file(self) -> Path:
        return self.folder / "cluster.json"

    @property
    def exists(self) -> bool:
        return self.file.exists()

    def path(self, *parts: str) -> Path:
        return self.folder.joinpath(*parts)

    def made(self, *parts: str) -> Path:
        """A folder below this one, created when it is not there."""
        folder = self.path(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def load(self) -> tuple[Spec, Plan]:
        """What was asked for at the last ``save``.

        Raises:
            ClusterError: there is no such cluster.
        """
        if not self.exists:
            raise ClusterError(
                f"there is no local cluster {self.name!r} in {self.base}",
                f"webssl cluster up --name {self.name}",
            )
        return parse(self.name, json.loads(self.file.read_text()))

    def save(self, spec: Spec) -> Plan:
        """Writes ``spec``; the first time it also takes a free index. Returns the plan."""
        with self.locked():
            index = json.loads(self.file.read_text())["index"] if self.exists else free_index(self._taken())
            plan = Plan(self.name, index, spec.nodes)
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = self.file.with_suffix(".new")
            temporary.write_text(json.dumps({"index": index, **asdict(spec)}, indent=2) + "\n")
            temporary.replace(self.file)
        return plan

    def _taken(self) -> set[int]:
        known = {json.loads(file.read_text())["index"] for file in self.base.glob("*/cluster.json")}
        # A cluster of another state folder shows only by its bridge.
        bridges = {link.name for link in Path("/sys/class/net").glob("webssl*")}
        return known | {int(name[6:]) for name in bridges if name[6:].isdigit()}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from changing the set of clusters meanwhile."""
        self.base.mkdir(parents=True, exist_ok=True)
        with (self.base / "lock").open("w") as lock:
            flock(lock, LOCK_EX)
            yield

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keeps other processes from changing this cluster meanwhile."""
        self.base.mkdir(parents=True, exist_ok=True)
        with (self.base / f".{self.name}.lock").open("w") as lock:
            flock(lock, LOCK_EX)
            yield


def parse(name: str, stored: dict[str, Any]) -> tuple[Spec, Plan]:
    """Spec and plan from the content of a state file; fields of other versions are passed over."""
    known = {field.name for field in fields(Spec)}
    spec = Spec(**{key: value for key, value in stored.items() if key in known})
    return spec, Plan(name, stored["index"], spec.nodes)


def cluster_names(base: Path | None = None) -> list[str]:
    """The clusters that have a state folder."""
    return sorted(file.parent.name for file in (base or base_folder()).glob("*/cluster.json"))
