"""One namespace on a real cluster in which tests apply runs and disturb them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from kubernetes import client
from urllib3.exceptions import HTTPError
from webssl_api import GROUP, PLURAL, VERSION, Phase, RunStatus, WebSSLRun, labels
from webssl_api.status import CheckpointStatus
from webssl_cli.demo.place import Place
from webssl_trainer.checkpoint.discovery import effective_steps, status_of, survey
from webssl_trainer.storage import Storage

from tests.e2e.lab.manifests import checkpoint_uri
from tests.e2e.lab.witness import Witness

T = TypeVar("T")
OPERATOR_NAMESPACE = "webssl-system"
OPERATOR_SELECTOR = "app.kubernetes.io/name=webssl-operator"


class LabTimeoutError(AssertionError):
    """Something that a test waits for has not come true."""


class Lab:
    """A cluster with the chart installed, an S3 bucket with real images, and a namespace for runs."""

    def __init__(self, place: Place, api: client.ApiClient, storage: Storage, namespace: str) -> None:
        self.place, self.storage, self.namespace = place, storage, namespace
        self.core = client.CoreV1Api(api)
        self.batch = client.BatchV1Api(api)
        self.custom = client.CustomObjectsApi(api)

    def apply(self, manifest: dict[str, Any]) -> None:
        """Create the run; one of the same name from an earlier session goes first, with what it wrote."""
        name = manifest["metadata"]["name"]
        self.delete(name)
        for info in list(self.storage.list_objects(manifest["spec"]["checkpoint"]["uri"])):
            self.storage.delete(info.url)
        self.custom.create_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, manifest)

    def create(self, plural: str, manifest: dict[str, Any]) -> None:
        """Create an object of another of our kinds; one of the same name from an earlier session goes first."""
        place, name = (GROUP, VERSION, self.namespace, plural), manifest["metadata"]["name"]

        def there() -> bool:
            try:
                self.custom.delete_namespaced_custom_object(*place, name, propagation_policy="Foreground")
            except client.ApiException as error:
                if error.status != 404:
                    raise
                return False
            return True

        wait_for(lambda: not there(), 240, f"the earlier {name} of {plural} to go")
        self.custom.create_namespaced_custom_object(*place, manifest)

    def delete(self, name: str, limit: float = 240) -> None:
        """Delete a run and wait until its pods are gone."""
        try:
            self.custom.delete_namespaced_custom_object(
                GROUP,
                VERSION,
                self.namespace,
                PLURAL,
                name,
                propagation_policy="Foreground",
                grace_period_seconds=0,
            )
        except client.ApiException as error:
            if error.status != 404:
                raise
        wait_for(lambda: not self.pods(name), limit, f"the pods of {name} to go")

    def patch(self, name: str, spec: dict[str, Any]) -> None:
        """Change fields of a run's spec."""
        self.custom.patch_namespaced_custom_object(
            GROUP, VERSION, self.namespace, PLURAL, name, {"spec": spec}
        )

    def run(self, name: str) -> WebSSLRun:
        """The run as it stands."""
        return WebSSLRun.parse(
            self.custom.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)
        )

    def status(self, name: str) -> RunStatus:
        """Its status."""
        return self.run(name).status

    def pods(self, name: str, role: str | None = None) -> list[Any]:
        """Pods of a run, newest last; only those of a role when it is named."""
        selector = f"{labels.RUN}={name}" + (f",{labels.ROLE}={role}" if role else "")
        found = self.core.list_namespaced_pod(self.namespace, label_selector=selector).items
        return sorted(found, key=lambda pod: pod.metadata.creation_timestamp)

    def worker(self, name: str, index: int) -> str:
        """Name of the running pod with this completion index."""
        key = "batch.kubernetes.io/job-completion-index"
        for pod in reversed(self.pods(name, labels.ROLE_WORKER)):
            alive = pod.status.phase == "Running" and pod.metadata.deletion_timestamp is None
            if pod.metadata.labels.get(key) == str(index) and alive:
                return str(pod.metadata.name)
        raise LabTimeoutError(f"run {name} has no running worker {index}")

    def force_delete(self, pod: str, namespace: str | None = None) -> None:
        """Take a pod away without a chance to say goodbye."""
        self.core.delete_namespaced_pod(pod, namespace or self.namespace, grace_period_seconds=0)

    def operator_pods(self) -> list[str]:
        """Names of the operator's pods."""
        found = self.core.list_namespaced_pod(OPERATOR_NAMESPACE, label_selector=OPERATOR_SELECTOR).items
        return [pod.metadata.name for pod in found]

    def until(self, name: str, what: str, true: Callable[[RunStatus], bool], limit: float = 480) -> RunStatus:
        """Wait until the run's status fulfils `true`; a run that fails meanwhile ends the wait."""

        def look() -> RunStatus | None:
            status = self.status(name)
            if true(status):
                return status
            if status.phase is Phase.FAILED:
                raise LabTimeoutError(f"run {name} failed while waiting for {what}: {status.message}")
            return None

        found = wait_for(look, limit, f"run {name}: {what}", lambda: self.status(name).to_dict())
        assert found is not None
        return found

    def until_training(self, name: str, step: int, workers: int) -> RunStatus:
        """Wait until the run trains on so many workers, is past a step and has a checkpoint."""
        return self.until(
            name,
            f"step {step} on {workers} workers with a checkpoint",
            lambda s: (
                s.progress.step >= step and s.workers.ready == workers and s.last_checkpoint is not None
            ),
        )

    def until_done(self, name: str, limit: float = 800) -> RunStatus:
        """Wait until the run has succeeded."""
        return self.until(name, "success", lambda s: s.phase is Phase.SUCCEEDED, limit)

    def effective_steps(self, name: str) -> list[dict[str, Any]]:
        """Records of the steps that count, from the step logs in the bucket."""
        return effective_steps(self.storage, checkpoint_uri(name))

    def newest_checkpoint(self, name: str) -> CheckpointStatus:
        """The newest committed checkpoint in the bucket."""
        uri = checkpoint_uri(name)
        return status_of(next(c for c in survey(self.storage, uri).ordered if c.manifest is not None), uri)

    def witness(self, name: str) -> Witness:
        """Follow the logs of the run's workers."""
        return Witness(self.core, self.namespace, name)


def wait_for(
    look: Callable[[], T | None],
    limit: float,
    what: str,
    last: Callable[[], Any] = lambda: "",
    pause: float = 0.5,
) -> T:
    """Call `look` until it returns something true. Raises LabTimeoutError with the last state after `limit` seconds.

    A busy API server may fail to answer for a while.
    """
    end = time.monotonic() + limit
    while True:
        try:
            found = look()
        except client.ApiException as error:
            if error.status in range(400, 500) and error.status != 429:
                raise
            found = None
        except HTTPError:
            found = None
        if found:
            return found
        if time.monotonic() > end:
            raise LabTimeoutError(f"not within {limit:.0f} s: {what}\nlast seen: {last()}")
        time.sleep(pause)
