"""The objects that the demo applies: made from examples/demo.yaml and the place where it runs."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from webssl_cli.demo.place import Place

BUCKET = "webssl-demo"
SECRET = "s3-credentials"
ROOT = f"s3://{BUCKET}"


def render(example: dict[str, Any], place: Place, nonce: str) -> dict[str, Any]:
    """The run: the example with this place's S3 server, and a checkpoint folder that no run before had.

    Args:
        nonce: what makes the folder's name unlike all others.
    """
    run = deepcopy(example)
    storage = run["spec"]["data"]["storage"]
    storage["endpoint"] = place.s3_inside
    storage["region"] = place.region
    run["spec"]["checkpoint"]["uri"] = f"{ROOT}/runs/{run['metadata']['name']}-{nonce}"
    return run


def surroundings(namespace: str, place: Place) -> list[dict[str, Any]]:
    """The namespace and the Secret with the keys to the S3 server."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": namespace,
                "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": SECRET, "namespace": namespace},
            "stringData": {"AWS_ACCESS_KEY_ID": place.access_key, "AWS_SECRET_ACCESS_KEY": place.secret_key},
        },
    ]


def image_values(images: dict[str, str]) -> dict[str, Any]:
    """Chart values that name these images: `registry/repository:tag` per target."""
    values: dict[str, Any] = {"registry": ""}
    for target, name in images.items():
        repository, colon, tag = name.rpartition(":")
        if not colon or "/" in tag:
            repository, tag = name, "latest"
        values[target] = {"repository": repository, "tag": tag}
    return {"images": values}
