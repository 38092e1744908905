"""Runs and their pods on a Kubernetes, through the user's kubeconfig."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from webssl_cli.errors import CliError

if TYPE_CHECKING:
    from webssl_api import RunStatus, WebSSLRun


@dataclass(frozen=True)
class RunOnCluster:
    """A run as the API server has it."""

    run: WebSSLRun
    created: str

    @property
    def name(self) -> str:
        return self.run.metadata.name

    @property
    def namespace(self) -> str:
        return self.run.metadata.namespace

    @property
    def status(self) -> RunStatus:
        return self.run.status


@dataclass(frozen=True)
class PodOfRun:
    """A worker or evaluation pod.

    Attributes:
        index: completion index of a worker; None for other pods.
        first: when it was created (RFC 3339).
    """

    name: str
    role: str
    index: int | None
    phase: str
    node: str
    first: str
    suite: str


class Kube:
    """One context of a kubeconfig.

    Args:
        context: name of the context; None takes the current one.
        kubeconfig: file; None takes KUBECONFIG or the default.
        namespace: namespace of runs; None takes the context's own.

    Raises:
        CliError: there is no such kubeconfig or context.
    """

    def __init__(
        self, context: str | None = None, kubeconfig: Path | None = None, namespace: str | None = None
    ) -> None:
        from kubernetes import client, config

        file = str(kubeconfig) if kubeconfig else None
        try:
            api = config.new_client_from_config(config_file=file, context=context)
            contexts, active = config.list_kube_config_contexts(config_file=file)
        except (config.ConfigException, OSError) as error:
            named = f"context {context!r}" if context else "the kubeconfig"
            raise CliError(
                f"{named} cannot be used ({error})",
                "name a context of `kubectl config get-contexts`, or start a local one with `webssl cluster up`",
            ) from error
        chosen = next((item for item in contexts if item["name"] == context), active)
        self.namespace = namespace or chosen["context"].get("namespace") or "default"
        self._core = client.CoreV1Api(api)
        self._custom = client.CustomObjectsApi(api)

    def get(self, name: str) -> RunOnCluster:
        """The run called `name` in the namespace. Raises CliError when there is none."""
        from webssl_api import GROUP, PLURAL, VERSION

        with _explained(f"WebSSLRun {self.namespace}/{name}", "list the runs with `webssl get -A`"):
            found = self._custom.get_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL, name)
        return _run(found)

    def all_runs(self, everywhere: bool = False) -> list[RunOnCluster]:
        """All runs of the namespace, or of all namespaces, by namespace and name."""
        from webssl_api import GROUP, PLURAL, VERSION

        with _explained("WebSSLRuns", "install the operator's chart first (see README.md)"):
            if everywhere:
                found = self._custom.list_cluster_custom_object(GROUP, VERSION, PLURAL)
            else:
                found = self._custom.list_namespaced_custom_object(GROUP, VERSION, self.namespace, PLURAL)
        runs = [_run(item) for item in found["items"]]
        return sorted(runs, key=lambda item: (item.namespace, item.name))

    def pods(self, run: str) -> list[PodOfRun]:
        """Pods of a run, oldest first."""
        from webssl_api import labels

        with _explained(f"pods of {self.namespace}/{run}", "ask for the right to list pods"):
            found = self._core.list_namespaced_pod(self.namespace, label_selector=f"{labels.RUN}={run}")
        return sorted((_pod(item) for item in found.items), key=lambda pod: pod.first)

    def log(self, pod: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """Lines of a pod's log, as they come when `follow`."""
        options = {} if tail is None else {"tail_lines": tail}
        with _explained(f"log of pod {self.namespace}/{pod}", "wait until its container runs"):
            stream = self._core.read_namespaced_pod_log(
                pod, self.namespace, follow=follow, _preload_content=False, **options
            )
        rest = b""
        for chunk in stream.stream(4096):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if rest:
            yield rest.decode(errors="replace")

    def kill_pod(self, pod: str) -> None:
        """Delete a pod with no time to say goodbye, as a lost machine would."""
        with _explained(f"pod {self.namespace}/{pod}", "ask for the right to delete pods"):
            self._core.delete_namespaced_pod(pod, self.namespace, grace_period_seconds=0)


def _run(found: dict[str, Any]) -> RunOnCluster:
    from pydantic import ValidationError
    from webssl_api import WebSSLRun

    meta = found["metadata"]
    try:
        return RunOnCluster(WebSSLRun.parse(found), meta.get("creationTimestamp", ""))
    except ValidationError as error:
        raise CliError(
            f"WebSSLRun {meta['namespace']}/{meta['name']} is of another version ({error.error_count()} fields differ)",
            "use the webssl command of the version that the operator has",
        ) from error


def _pod(found: Any) -> PodOfRun:
    from webssl_api import labels

    given = found.metadata.labels or {}
    index = given.get("batch.kubernetes.io/job-completion-index")
    return PodOfRun(
        name=found.metadata.name,
        role=given.get(labels.ROLE, ""),
        index=None if index is None else int(index),
        phase="Terminating" if found.metadata.deletion_timestamp else found.status.phase,
        node=found.spec.node_name or "",
        first=found.metadata.creation_timestamp.isoformat(),
        suite=given.get(labels.SUITE, ""),
    )


@contextmanager
def _explained(what: str, mend: str) -> Iterator[None]:
    """Turns the client's errors into one line that names what was asked for."""
    from kubernetes.client.exceptions import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        reason = {404: "not found", 403: "not allowed", 401: "the credentials are not accepted"}
        raise CliError(f"{what}: {reason.get(error.status, error.reason)}", mend) from error
    except HTTPError as error:
        raise CliError(
            f"{what}: the API server does not answer ({type(error).__name__})",
            "start it (`webssl cluster up`), or choose another --context",
        ) from error
