"""What a plan can ask for. Plain values; `act` carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from webssl_operator.construct.meta import Manifest
from webssl_operator.observe.pod import PodView


@dataclass(frozen=True)
class Apply:
    """Server-side apply of a child. mark: remembered with it, so that it is applied again only when the mark is another one.

    fresh: nothing of this name is expected. Then it is created, which costs the API server about half, and applied only if it exists.
    """

    manifest: Manifest
    mark: str = ""
    fresh: bool = False

    @property
    def kind(self) -> str:
        """Kind of the child."""
        return str(self.manifest["kind"])

    @property
    def name(self) -> str:
        """Name of the child."""
        return str(self.manifest["metadata"]["name"])


@dataclass(frozen=True)
class Scale:
    """Change the numbers of a Job that can change in place. None leaves a field alone.

    workers: pods and completions, of a Job whose pods are one group; parallelism: pods alone.

    The pod template of a Job cannot change, so the Job is never applied a second time: after an upgrade of the operator its
    manifest may differ from the one that a running Job was made of.
    """

    job: str
    uid: str
    workers: int | None = None
    suspend: bool | None = None
    parallelism: int | None = None


@dataclass(frozen=True)
class Delete:
    """Delete one object, if it still has this uid. grace: seconds for a pod; None: its own."""

    kind: Literal["Job", "Pod", "ConfigMap", "RayJob"]
    name: str
    uid: str
    foreground: bool = False
    grace: int | None = None


@dataclass(frozen=True)
class BuryPod:
    """Declare a pod on a lost node failed by disruption, and delete it without waiting for its node.

    With a podFailurePolicy a Job replaces only pods that have failed, and a node that is gone never says so.
    """

    pod: PodView


Action = Apply | Scale | Delete | BuryPod


@dataclass(frozen=True)
class RunEvent:
    """A Kubernetes event on the run."""

    reason: str
    message: str
    warning: bool = False
