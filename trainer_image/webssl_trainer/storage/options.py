"""Where the storage is and how long to be patient with it. Credentials are never in here."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from webssl_trainer.errors import UserError
from webssl_trainer.storage.hedging import HedgePolicy
from webssl_trainer.storage.retry import RetryPolicy

CLIENTS = ("direct", "fsspec")


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
        client: "direct" reads through libcurl or obstore where they can (see `DirectStorage`), "fsspec" never does.
        unsigned: send requests to S3 without keys, for public buckets.
        bytes_in_flight: most bytes that range reads of one process are about to hold; further ones wait their turn.
        hedging: when a slow read is asked for a second time; only "direct" does.
    """

    endpoint: str | None = None
    region: str | None = None
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    connections: int = 32
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    client: str = "direct"
    unsigned: bool = False
    bytes_in_flight: int = 256 << 20
    hedging: HedgePolicy = field(default_factory=HedgePolicy)

    def __post_init__(self) -> None:
        if self.client not in CLIENTS:
            raise UserError(f"WEBSSL_STORAGE_CLIENT {self.client!r}: must be one of {', '.join(CLIENTS)}")

    @classmethod
    def from_env(
        cls, env: Mapping[str, str] = os.environ, endpoint: str | None = None, region: str | None = None
    ) -> StorageOptions:
        """Options of the environment: AWS_ENDPOINT_URL (or _S3) and AWS_REGION fill what is not given.

        WEBSSL_STORAGE_CLIENT chooses the client, AWS_NO_SIGN_REQUEST=true leaves requests unsigned.

        Raises:
            UserError: the client is not one of `CLIENTS`.
        """
        return cls(
            endpoint=endpoint or env.get("AWS_ENDPOINT_URL_S3") or env.get("AWS_ENDPOINT_URL") or None,
            region=region or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or None,
            client=env.get("WEBSSL_STORAGE_CLIENT") or "direct",
            unsigned=env.get("AWS_NO_SIGN_REQUEST", "").lower() in {"1", "true", "yes"},
        )
