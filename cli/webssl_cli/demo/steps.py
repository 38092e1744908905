"""The steps of the demo up to the applied run. Each looks first and does only what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webssl_cli.demo.manifest import BUCKET, image_values, render, surroundings
from webssl_cli.demo.place import Place
from webssl_cli.errors import CliError

if TYPE_CHECKING:
    from webssl_localcluster.kubectl import Kubectl
    from webssl_localcluster.progress import Reporter
    from webssl_localcluster.tools.install import Toolbox
    from webssl_trainer.storage import Storage


RELEASE = "webssl-operator"
OPERATOR_NAMESPACE = "webssl-system"


def local_place(name: str, root: Path, reporter: Reporter, tools: Toolbox) -> Place:
    """The local cluster, started, with the images on its nodes."""
    from webssl_localcluster.cluster import LocalCluster

    cluster = LocalCluster(name, reporter=reporter, tools=tools)
    cluster.up()
    images = cluster.load_images(root)
    return Place(
        kubeconfig=cluster.kubeconfig,
        context=cluster.context,
        s3_inside=cluster.s3.endpoint,
        s3_outside=cluster.s3.endpoint,
        access_key=cluster.s3.access_key,
        secret_key=cluster.s3.secret_key,
        region=cluster.s3.region,
        images=images,
        prometheus=cluster.prometheus_url,
        keys=f'eval "$(webssl cluster s3 env --name {name})"',
        removal=f"webssl cluster down --purge --name {name}",
    )


def open_place_storage(place: Place) -> Storage:
    """The storage of the demo's bucket, as this machine reaches it; the bucket is made when it is missing."""
    import os

    from webssl_localcluster.s3 import S3Access, make_bucket
    from webssl_trainer.storage import StorageOptions, open_storage

    make_bucket(S3Access(place.s3_outside, place.access_key, place.secret_key, place.region), BUCKET)
    # Storage takes keys from the environment only, so that they cannot end up anywhere else.
    os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = place.access_key, place.secret_key
    return open_storage(StorageOptions(endpoint=place.s3_outside, region=place.region))


def install_chart(place: Place, root: Path, reporter: Reporter, tools: Toolbox) -> None:
    """`helm upgrade --install`, until the operator is ready."""
    from webssl_localcluster.commands import run

    helm = tools.path("helm")
    command: list[str | Path] = [helm, "upgrade", "--install", RELEASE, root / "helm" / "webssl-operator"]
    command += ["--namespace", OPERATOR_NAMESPACE, "--create-namespace", "--kube-context", place.context]
    command += ["--kubeconfig", place.kubeconfig] if place.kubeconfig else []
    command += ["--values", "-", "--wait", "--timeout", "5m"]
    with reporter, reporter.step("operator (helm upgrade --install)"):
        run(
            command,
            stdin=json.dumps(image_values(dict(place.images))),
            timeout=330,
            mend=f"kubectl --context {place.context} -n {OPERATOR_NAMESPACE} get pods",
        )


def apply_run(kubectl: Kubectl, example: dict[str, Any], place: Place, nonce: str) -> dict[str, Any]:
    """Apply the run, or find the one of an earlier demo that has not ended; the run as it was applied.

    A run that has ended, or that another demo.yaml made, is deleted first.
    """
    name, namespace = example["metadata"]["name"], example["metadata"]["namespace"]
    kubectl.apply(surroundings(namespace, place))
    run = render(example, place, nonce)
    found = kubectl.json("get", "websslruns", "--namespace", namespace)["items"]
    known = next((item for item in found if item["metadata"]["name"] == name), None)
    if known is not None:
        if goes_on(known, run):
            run["spec"]["checkpoint"]["uri"] = known["spec"]["checkpoint"]["uri"]
        else:
            kubectl("delete", "websslrun", name, "--namespace", namespace, "--wait=true", "--timeout=90s")
    kubectl.apply([run])
    return run


def goes_on(known: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a run on the cluster is the wanted one and has not ended."""
    if known.get("status", {}).get("phase") in {"Succeeded", "Failed"} or known["metadata"].get(
        "deletionTimestamp"
    ):
        return False
    from webssl_api import WebSSLRun

    from webssl_cli.local.folder import changed_field

    wanted = {**wanted, "spec": {**wanted["spec"], "checkpoint": known["spec"]["checkpoint"]}}
    return changed_field(WebSSLRun.parse(known).spec, WebSSLRun.parse(wanted).spec) is None


def find_source() -> Path:
    """The checkout with chart and examples. Raises CliError when there is none."""
    for start in (Path.cwd(), Path(__file__).resolve()):
        for folder in (start, *start.parents):
            if (folder / "helm" / "webssl-operator" / "Chart.yaml").exists():
                return folder
    raise CliError(f"{Path.cwd()} is not inside a checkout", "run the demo from the project's folder")
