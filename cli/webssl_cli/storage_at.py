"""The storage that an address on the command line names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from webssl_cli.errors import CliError

if TYPE_CHECKING:
    from webssl_trainer.storage import Storage


def storage_for(uri: str, endpoint: str | None) -> Storage:
    """The storage of an address; keys come from the environment.

    Raises:
        CliError: the address is none.
    """
    from webssl_api.uris import FORMS, is_storage_uri

    if not is_storage_uri(uri.rstrip("/") + "/x"):
        raise CliError(f"address {uri!r} is not a storage address", f"write {FORMS}")
    from webssl_trainer.storage import StorageOptions, open_storage

    return open_storage(StorageOptions.from_env(endpoint=endpoint))
