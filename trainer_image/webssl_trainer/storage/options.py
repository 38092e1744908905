"""Where the storage is and how long to be patient with it. Credentials are never in here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from webssl_trainer.storage.retry import RetryPolicy


@dataclass(frozen=True)
class StorageOptions:
    """Options of an object storage, the same for every URL of a process.

    Access keys come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN) in the environment
    only, so they can not end up in a manifest, a log line or a pickled worker argument.

    Attributes:
        endpoint: URL of an S3-compatible server; None means AWS itself.
        region: region name; None leaves it to the client's default.
        connect_timeout: seconds to wait for a connection of one try.
        read_timeout: seconds a server may stay silent within one try.
        connections: most open connections of one process.
        retry: how long and how often to try again.
    """

    endpoint: str | None = None
    region: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    connections: int = 32
    retry: RetryPolicy = field(default_factory=RetryPolicy)

    @classmethod
    def from_env(
        cls, env: Mapping[str, str] = os.environ, endpoint: str | None = None, region: str | None = None
    ) -> StorageOptions:
        """Options of the environment: AWS_ENDPOINT_URL (or _S3) and AWS_REGION fill what is not given."""
        return cls(
            endpoint=endpoint or env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or None,
            region=region or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None,
        )
