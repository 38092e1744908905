"""Google Cloud Storage: what both clients are told. Keys come from the environment only.

GOOGLE_APPLICATION_CREDENTIALS names a file, GOOGLE_SERVICE_ACCOUNT_KEY is the JSON itself (for a Secret), and without
both the pod's service account is asked. GOOGLE_SKIP_SIGNATURE=true reads public buckets; STORAGE_EMULATOR_HOST is the URL
of an emulator, which needs no keys.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from webssl_trainer.storage.direct_clients import RETRIES, SelfSigning, client_options
from webssl_trainer.storage.options import StorageOptions


def clients(options: StorageOptions) -> SelfSigning:
    """Clients of buckets."""
    return SelfSigning(partial(_made, options))


def _made(options: StorageOptions, bucket: str) -> Any:
    from obstore.store import GCSStore

    emulator, config = os.environ.get("STORAGE_EMULATOR_HOST"), {}
    if emulator:
        config["base_url"] = emulator
    if _unsigned(os.environ):
        config["skip_signature"] = "true"
    return GCSStore(
        bucket,
        config=config,  # type: ignore[arg-type]
        client_options=client_options(options),  # type: ignore[arg-type]
        retry_config=RETRIES,  # type: ignore[arg-type]
    )


def fsspec_arguments(options: StorageOptions) -> dict[str, Any]:
    """The same for gcsfs."""
    given: dict[str, Any] = {"requests_timeout": options.read_timeout, "cache_timeout": 0}
    key = os.environ.get("GOOGLE_SERVICE_ACCOUNT_KEY")
    if _unsigned(os.environ):
        given["token"] = "anon"
    elif key:
        given["token"] = json.loads(key)
    return given


def _unsigned(env: Mapping[str, str]) -> bool:
    return env.get("GOOGLE_SKIP_SIGNATURE", "").lower() in {"1", "true"} or "STORAGE_EMULATOR_HOST" in env
