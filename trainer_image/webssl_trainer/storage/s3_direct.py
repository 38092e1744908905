"""libcurl's clients of S3 buckets, with the same options and keys as s3fs has them."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass

import botocore.session
import fsspec

from webssl_trainer.storage.addresses import bucket_and_key
from webssl_trainer.storage.direct_clients import DirectClient, spelled_alike
from webssl_trainer.storage.options import StorageOptions
from webssl_trainer.storage.s3_curl import CurlClient
from webssl_trainer.storage.s3_keys import Keys, KeySource

_PLAIN_ACCESS = re.compile(r"[\w.~-]+", re.ASCII)
_SPECIAL = {"s3", "services", "endpoint_url", "use_fips_endpoint", "use_dualstack_endpoint"}
_SPECIAL_VARIABLES = {"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"}


@dataclass(frozen=True)
class _Target:
    """Where requests go, and the file of the authorities that are trusted in place of the usual ones."""

    endpoint: str
    region: str
    trusted: str | None


class S3Clients:
    """The clients of a process. What libcurl is not told to do as s3fs does it has none: see `client`.

    Safe for several threads.

    Args:
        options: endpoint, region, timeouts, whether to sign.
        keys: where the keys come from.
    """

    def __init__(self, options: StorageOptions, keys: KeySource | None = None) -> None:
        self.keys = keys or KeySource()
        self._options = options
        self._lock = threading.Lock()
        self._made: dict[tuple[str, Keys | None], CurlClient] = {}
        self._elsewhere: set[str] = set()
        self._target = _target(options)

    def client(self, url: str) -> DirectClient | None:
        """The client of an object's bucket; None where s3fs has to read it.

        That is: no endpoint and no region is known; the profile asks for FIPS, dual-stack, accelerated or other endpoints;
        fsspec's own configuration names options for S3; the bucket is an access point, or turned out to be in another
        region; the object's key has empty or dot segments; the access key has characters that libcurl spells otherwise.

        Raises:
            NoCredentialsError: there are no keys.
        """
        bucket = bucket_and_key(url)[0]
        if self._target is None or bucket in self._elsewhere or not spelled_alike(url):
            return None
        keys = None if self._options.unsigned else self.keys.current()
        if keys is not None and not _PLAIN_ACCESS.fullmatch(keys.access):
            return None
        with self._lock:
            if (bucket, keys) not in self._made:
                # Clients with older keys go.
                self._made = {name: made for name, made in self._made.items() if name[1] == keys}
                base = f"{self._target.endpoint.rstrip('/')}/{bucket}"
                self._made[bucket, keys] = CurlClient(
                    base, self._target.region, keys, self._options, self._target.trusted
                )
            return self._made[bucket, keys]

    def expired(self, client: DirectClient) -> None:
        """See `DirectClients`."""
        if client.keys is not None:
            self.keys.renew(client.keys)

    def lives_elsewhere(self, url: str) -> None:
        """Leave the bucket of this object to s3fs from now on, which follows to other regions."""
        self._elsewhere.add(bucket_and_key(url)[0])


def _target(options: StorageOptions) -> _Target | None:
    """What s3fs would ask, with these options, environment and profile; None where only s3fs knows how."""
    session = botocore.session.Session()
    # A profile that does not exist is said so where the keys are looked up.
    known = session.profile is None or session.profile in session.available_profiles
    profile = session.get_scoped_config() if known else {}
    endpoint = options.endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = options.region or (session.get_config_variable("region") if known else None)
    if fsspec.config.conf.get("s3") or not (endpoint or region):
        return None
    if not endpoint and (region or "").startswith(("cn-", "us-iso")):
        return None  # their hosts have other names
    if not endpoint and (_SPECIAL & set(profile) or _SPECIAL_VARIABLES & set(os.environ)):
        return None
    region = region or "us-east-1"
    file = profile.get("ca_bundle") or os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return _Target(endpoint or f"https://s3.{region}.amazonaws.com", region, file or None)
