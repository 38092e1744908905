"""Single requests to the API server, over the HTTP session of `kubernetes.aio`.

The generated model classes are left out: objects are plain dicts here, and building thousands of models is what would cost memory.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config
from webssl_api.kinds import KINDS

Raw = dict[str, Any]

PLURALS: Mapping[str, str] = {
    "Job": "jobs",
    "Pod": "pods",
    "ConfigMap": "configmaps",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "RayJob": "rayjobs",
    **{kind.name: kind.plural for kind in KINDS},
    "Lease": "leases",
    "Event": "events",
}
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
REQUEST_SECONDS = 30.0


class ApiError(Exception):
    """The API server refused a request. status: HTTP status, 0 when no answer came."""

    def __init__(self, status: int, what: str, message: str) -> None:
        super().__init__(f"{what}: {status or 'no answer'}: {message}")
        self.status = status


class ApiServer(Protocol):
    """What the rest of the operator may ask for; all methods raise ApiError."""

    async def apply(self, manifest: Raw, manager: str, subresource: str = "") -> Raw:
        """Server-side apply, taking over fields of others; returns the object."""
        ...

    async def merge(
        self, api: str, kind: str, namespace: str, name: str, patch: Raw, subresource: str = ""
    ) -> Raw:
        """JSON merge patch; returns the object."""
        ...

    async def create(self, manifest: Raw, manager: str = "") -> Raw:
        """Create an object. manager: field manager; without one the API server names it after the client."""
        ...

    async def replace(self, manifest: Raw) -> Raw:
        """Replace an object at the resourceVersion it carries."""
        ...

    async def get(self, api: str, kind: str, namespace: str, name: str) -> Raw:
        """Read an object."""
        ...

    async def delete(self, api: str, kind: str, namespace: str, name: str, options: Raw) -> None:
        """Delete an object with DeleteOptions."""
        ...

    async def resources(self, api: str) -> list[Raw]:
        """What an API such as ray.io/v1 has; status 404 when it is not served."""
        ...

    async def list_metadata(
        self, api: str, kind: str, namespace: str, selector: str, limit: int, token: str
    ) -> Raw:
        """One page of names, uids and versions; namespace "" for all."""
        ...


def path_of(api: str, kind: str, namespace: str, name: str = "", subresource: str = "") -> str:
    """URL path of a namespaced resource; namespace "" means all namespaces."""
    root = f"/api/{api}" if "/" not in api else f"/apis/{api}"
    parts = [root, *(["namespaces", namespace] if namespace else []), PLURALS[kind], name, subresource]
    return "/".join(part for part in parts if part)


async def load_configuration() -> client.Configuration:
    """The pod's service account, or else the kubeconfig of KUBECONFIG or ~/.kube/config."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)
    configuration.connection_pool_maxsize = 64
    configuration.proxy = configuration.proxy or proxy_of(str(configuration.host))
    return configuration


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY; None for a direct connection."""
    parts = urlsplit(url)
    if not parts.hostname or proxy_bypass(parts.netloc):
        return None
    return getproxies().get(parts.scheme)


class HttpApiServer:
    """ApiServer over HTTPS."""

    def __init__(self, configuration: client.Configuration) -> None:
        # aiohttp would read the environment and ~/.netrc anew for each request, in a thread: a quarter of the operator's CPU.
        configuration.client_session_kwargs = {"trust_env": False}
        self._client = client.ApiClient(configuration)
        self._host = str(configuration.host).rstrip("/")

    async def close(self) -> None:
        """Close the session."""
        await self._client.close()

    async def apply(self, manifest: Raw, manager: str, subresource: str = "") -> Raw:
        """See ApiServer.apply."""
        meta = manifest["metadata"]
        path = path_of(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"], subresource)
        query = {"fieldManager": manager, "force": "true"}
        return await self._call("PATCH", path, query, manifest, "application/apply-patch+yaml")

    async def merge(
        self, api: str, kind: str, namespace: str, name: str, patch: Raw, subresource: str = ""
    ) -> Raw:
        """See ApiServer.merge."""
        path = path_of(api, kind, namespace, name, subresource)
        return await self._call("PATCH", path, {}, patch, "application/merge-patch+json")

    async def create(self, manifest: Raw, manager: str = "") -> Raw:
        """See ApiServer.create."""
        path = path_of(manifest["apiVersion"], manifest["kind"], manifest["metadata"]["namespace"])
        return await self._call("POST", path, {"fieldManager": manager} if manager else {}, manifest)

    async def replace(self, manifest: Raw) -> Raw:
        """See ApiServer.replace."""
        meta = manifest["metadata"]
        path = path_of(manifest["apiVersion"], manifest["kind"], meta["namespace"], meta["name"])
        return await self._call("PUT", path, {}, manifest)

    async def get(self, api: str, kind: str, namespace: str, name: str) -> Raw:
        """See ApiServer.get."""
        return await self._call("GET", path_of(api, kind, namespace, name), {})

    async def delete(self, api: str, kind: str, namespace: str, name: str, options: Raw) -> None:
        """See ApiServer.delete."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        await self._call("DELETE", path_of(api, kind, namespace, name), {}, body)

    async def resources(self, api: str) -> list[Raw]:
        """See ApiServer.resources."""
        found = await self._call("GET", f"/apis/{api}", {})
        return list(found.get("resources") or ())

    async def list_metadata(
        self, api: str, kind: str, namespace: str, selector: str, limit: int, token: str
    ) -> Raw:
        """See ApiServer.list_metadata."""
        query = {"limit": str(limit)}
        query |= {"labelSelector": selector} if selector else {}
        query |= {"continue": token} if token else {}
        return await self._call("GET", path_of(api, kind, namespace), query, accept=METADATA_ONLY)

    async def list_page(
        self, api: str, kind: str, namespace: str, selector: str, limit: int, token: str
    ) -> Raw:
        """One page of whole objects; as list_metadata otherwise."""
        query = {"limit": str(limit)}
        query |= {"labelSelector": selector} if selector else {}
        query |= {"continue": token} if token else {}
        return await self._call("GET", path_of(api, kind, namespace), query)

    async def watch(
        self, api: str, kind: str, namespace: str, selector: str, version: str, seconds: int, silence: float
    ) -> AsyncIterator[Raw]:
        """Changes since `version`, as they come, for `seconds` at most. Ends when the connection does. Raises ApiError.

        silence: seconds without a line after which the connection counts as dead.
        """
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": version}
        query |= {"timeoutSeconds": str(seconds)} | ({"labelSelector": selector} if selector else {})
        path = path_of(api, kind, namespace)
        what = f"watch {path}"
        headers = {"Accept": "application/json", "User-Agent": "webssl-operator"}
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, "GET", None)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=silence)
        url = f"{self._host}{path}?{urlencode(query)}"
        try:
            answer = await self._client.rest_client.request(
                "GET", url, headers=headers, _request_timeout=timeout
            )
            if answer.status >= 400:
                raise ApiError(answer.status, what, _message(await answer.read()))
            async with answer.response:
                async for line in answer.response.content:
                    yield json.loads(line)
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise ApiError(0, what, repr(error)) from error

    async def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Raw | None = None,
        content: str = "application/json",
        accept: str = "application/json",
    ) -> Raw:
        headers = {"Accept": accept, "Content-Type": content, "User-Agent": "webssl-operator"}
        what = f"{method} {path}"
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self._host + path + (f"?{urlencode(query)}" if query else "")
        try:
            answer = await self._client.rest_client.request(
                method, url, headers=headers, body=body, _request_timeout=REQUEST_SECONDS
            )
            text = await answer.read()
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise ApiError(0, what, repr(error)) from error
        if answer.status >= 400:
            raise ApiError(answer.status, what, _message(text))
        result: Raw = json.loads(text)
        return result


def _message(text: bytes) -> str:
    try:
        return str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        return text[:300].decode(errors="replace")
