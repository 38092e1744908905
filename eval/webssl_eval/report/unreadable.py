"""What may go wrong with the data of an evaluation without costing the report more than pictures."""

from __future__ import annotations

from webssl_trainer.errors import UserError
from webssl_trainer.storage import StorageDeniedError, StorageNotFoundError, StorageUnavailableError

UNREADABLE = (
    UserError,
    StorageNotFoundError,
    StorageDeniedError,
    StorageUnavailableError,
    OSError,
    ValueError,
)
"""Files that are gone, denied, out of reach, malformed, or no pictures."""
