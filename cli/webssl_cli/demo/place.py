"""Where the demo runs: a Kubernetes, an S3 server, and images that the cluster's nodes can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from webssl_cli.errors import CliError

TARGETS = ("operator", "trainer", "eval")


@dataclass(frozen=True)
class Place:
    """Everything that later steps need to know of the cluster.

    Attributes:
        kubeconfig: file that holds `context`; None for the user's default.
        s3_inside: address of the S3 server as pods reach it.
        s3_outside: the same as this machine reaches it.
        images: target -> full image name; a target that is missing takes the chart's default.
        prometheus: address of a Prometheus that scrapes annotated pods, if there is one.
        keys: command that exports the keys to the S3 server.
        removal: command that removes what the demo has set up.
    """

    kubeconfig: Path | None
    context: str
    s3_inside: str
    s3_outside: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str
    images: Mapping[str, str]
    prometheus: str | None
    keys: str
    removal: str

    @property
    def flags(self) -> str:
        """What every `webssl` command needs to find this cluster."""
        config = f" --kubeconfig {self.kubeconfig}" if self.kubeconfig else ""
        return f"--context {self.context}{config}"


def given_place(
    context: str,
    kubeconfig: Path | None,
    *,
    s3_endpoint: str | None,
    s3_inside: str | None,
    images: Mapping[str, str],
    prometheus: str | None,
    environment: Mapping[str, str],
) -> Place:
    """A cluster of the user's.

    Args:
        environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are the keys for the demo's bucket.

    Raises:
        CliError: something is not given.
    """
    outside = s3_endpoint or environment.get("AWS_ENDPOINT_URL")
    if not outside:
        raise CliError(
            "--s3-endpoint is not given", "name the address of an S3 server, such as http://10.0.0.5:8333"
        )
    keys = [environment.get(name, "") for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    if not all(keys):
        raise CliError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
            "export the keys of the S3 server first",
        )
    missing = [target for target in TARGETS if not images.get(target)]
    if missing:
        raise CliError(
            f"--image-{missing[0]} is not given",
            f"push the {missing[0]} image (Dockerfile, target {missing[0]}) to a registry of the cluster's and name it",
        )
    return Place(
        kubeconfig=kubeconfig,
        context=context,
        s3_inside=s3_inside or outside,
        s3_outside=outside,
        access_key=keys[0],
        secret_key=keys[1],
        region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1",
        images=dict(images),
        prometheus=prometheus,
        keys="export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=...",
        removal=f"helm --kube-context {context} uninstall -n webssl-system webssl-operator"
        f" && kubectl --context {context} delete namespace webssl-demo webssl-system",
    )
