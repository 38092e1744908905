"""A ConfigMap reached with plain HTTPS from inside a pod: read, patch under compare-and-swap, server-side apply.

Only what rendezvous and reports need, so that the trainer does not carry a Kubernetes client. Credentials are the pod's service
account; the token file is read before each call because the kubelet rotates it.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FIELD_MANAGER = "webssl-trainer"


class ApiUnavailableError(Exception):
    """The API server did not answer, or answered with an error that may pass (5xx, 429, 401 while a token rotates)."""


class ApiRefusedError(Exception):
    """The API server refused the request for good (403, 422, ...): RBAC or a bug, the message names the object."""


@dataclass(frozen=True)
class ConfigMapObject:
    """data of a ConfigMap and the resourceVersion it was read at."""

    data: Mapping[str, str]
    resource_version: str


def in_cluster_client(service_account: Path = SERVICE_ACCOUNT, timeout: float = 5.0) -> httpx.Client:
    """HTTPS client for the API server named by the pod's environment.

    timeout: seconds for one request. Raises RuntimeError outside a pod.
    """
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise RuntimeError(
            "KUBERNETES_SERVICE_HOST is not set, so this is not a pod: use a file:// address for rendezvous and reports"
        )
    where = f"[{host}]" if ":" in host else host
    context = ssl.create_default_context(cafile=str(service_account / "ca.crt"))
    return httpx.Client(base_url=f"https://{where}:{port}", verify=context, timeout=timeout)


class ConfigMap:
    """One ConfigMap by namespace and name. Thread-safe as httpx.Client is.

    token_file: bearer token, None for a client that authenticates by itself.
    """

    def __init__(
        self,
        client: httpx.Client,
        namespace: str,
        name: str,
        token_file: Path | None = SERVICE_ACCOUNT / "token",
    ) -> None:
        self.namespace, self.name = namespace, name
        self._client = client
        self._path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
        self._token_file = token_file

    def get(self) -> ConfigMapObject | None:
        """The object, None when it does not exist. Raises ApiUnavailableError, ApiRefusedError."""
        response = self._call("GET", None, None, {})
        return None if response is None else _object(response)

    def merge(
        self, data: Mapping[str, str | None], resource_version: str | None = None
    ) -> ConfigMapObject | None:
        """Merge-patch some keys (None deletes a key), leaving the others alone.

        With resource_version the write happens only if the object is still at that version; the answer is None when it is not,
        or when the object does not exist. Raises ApiUnavailableError, ApiRefusedError.
        """
        body: dict[str, Any] = {"data": dict(data)}
        if resource_version is not None:
            body["metadata"] = {"resourceVersion": resource_version}
        response = self._call("PATCH", body, "application/merge-patch+json", {"fieldManager": FIELD_MANAGER})
        return None if response is None else _object(response)

    def ensure(self) -> ConfigMapObject:
        """Create the object empty if it is missing; change nothing if it is there. Raises ApiUnavailableError, ApiRefusedError.

        Server-side apply is used because it can be permitted by name, unlike a plain create.
        """
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": self.name},
        }
        query = {"fieldManager": f"{FIELD_MANAGER}-ensure", "force": "true"}
        response = self._call("PATCH", body, "application/apply-patch+yaml", query)
        if response is None:
            raise ApiUnavailableError(
                f"ConfigMap {self.namespace}/{self.name} could not be created: the namespace is gone"
            )
        return _object(response)

    def _call(
        self, method: str, body: dict[str, Any] | None, content_type: str | None, query: dict[str, str]
    ) -> dict[str, Any] | None:
        headers = {} if content_type is None else {"Content-Type": content_type}
        try:
            if self._token_file is not None:
                headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
            answer = self._client.request(method, self._path, params=query, headers=headers, json=body)
        except (httpx.HTTPError, OSError) as error:
            raise ApiUnavailableError(
                f"{method} ConfigMap {self.namespace}/{self.name}: {error!r}"
            ) from error
        if answer.status_code in (404, 409):
            return None
        if answer.status_code in (401, 408, 429) or answer.status_code >= 500:
            raise ApiUnavailableError(
                f"{method} ConfigMap {self.namespace}/{self.name}: HTTP {answer.status_code}"
            )
        if answer.status_code >= 400:
            raise ApiRefusedError(
                f"{method} ConfigMap {self.namespace}/{self.name}: HTTP {answer.status_code} {answer.text[:300]}"
            )
        result: dict[str, Any] = answer.json()
        return result


def _object(raw: Mapping[str, Any]) -> ConfigMapObject:
    return ConfigMapObject(
        data=raw.get("data") or {}, resource_version=str(raw["metadata"]["resourceVersion"])
    )
