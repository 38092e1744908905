"""What can go wrong at the edge, as three classes a caller can act on."""

from __future__ import annotations

from webssl_trainer.errors import UserError


class StorageNotFoundError(UserError, FileNotFoundError):
    """The object, bucket or folder does not exist (HTTP 404). Not retried."""


class StorageDeniedError(UserError, PermissionError):
    """The credentials are missing, wrong or not allowed to do this (HTTP 401, 403). Not retried."""


class StorageKeysError(StorageDeniedError):
    """The access keys themselves are missing or refused, so no object can be read. Not retried."""


class WrongLengthError(OSError):
    """An answer is shorter than its range although the object goes on, or longer. Retried."""


class StorageUnavailableError(OSError):
    """The storage did not answer for the whole retry budget. A later attempt may succeed."""


class StorageStoppedError(Exception):
    """The caller's stop event was set while an operation waited for its next try."""
