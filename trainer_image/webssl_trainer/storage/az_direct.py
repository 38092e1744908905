"""Azure Blob Storage: what both clients are told. Keys come from the environment only.

AZURE_STORAGE_ACCOUNT_NAME names the account, with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN, or without both the
pod's workload identity. AZURE_STORAGE_CONNECTION_STRING is known to adlfs only. AZURE_STORAGE_ENDPOINT is the URL of
an emulator, the account in it; AZURE_SKIP_SIGNATURE=true reads public containers.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from webssl_trainer.storage.direct_clients import RETRIES, SelfSigning, client_options
from webssl_trainer.storage.options import StorageOptions


def clients(options: StorageOptions) -> SelfSigning:
    """Clients of containers."""
    return SelfSigning(partial(_made, options))


def _made(options: StorageOptions, container: str) -> Any:
    from obstore.store import AzureStore

    if "AZURE_STORAGE_CONNECTION_STRING" in os.environ:
        return None
    # The rest is read from the environment: names are those of Azure's own libraries.
    return AzureStore(
        container,
        client_options=client_options(options),  # type: ignore[arg-type]
        retry_config=RETRIES,  # type: ignore[arg-type]
    )


def fsspec_arguments(options: StorageOptions) -> dict[str, Any]:
    """The same for adlfs."""
    env = os.environ
    given: dict[str, Any] = {
        "connection_timeout": int(options.connect_timeout),
        "read_timeout": int(options.read_timeout),
        "use_listings_cache": False,
    }
    if env.get("AZURE_SKIP_SIGNATURE", "").lower() in {"1", "true"}:
        given["anon"] = True
    endpoint, account = env.get("AZURE_STORAGE_ENDPOINT"), env.get("AZURE_STORAGE_ACCOUNT_NAME")
    key = env.get("AZURE_STORAGE_ACCOUNT_KEY")
    if endpoint and account and key and "AZURE_STORAGE_CONNECTION_STRING" not in env:
        given["connection_string"] = (
            f"DefaultEndpointsProtocol={endpoint.partition(':')[0]};AccountName={account};AccountKey={key};"
            f"BlobEndpoint={endpoint};"
        )
    return given
