"""Which storage errors pass by themselves, and what the others mean to the user."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

from webssl_trainer.errors import UserError
from webssl_trainer.storage.errors import (
    StorageDeniedError,
    StorageKeysError,
    StorageNotFoundError,
    WrongLengthError,
)

_PERMANENT_ERRNO = {
    errno.EINVAL, errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR,
    errno.ENOENT, errno.EEXIST, errno.ENOSPC, errno.EROFS, errno.ENOTEMPTY, getattr(errno, "EREMCHG", -1),
}  # fmt: skip
_PERMANENT_BOTO = {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "NoRegionError"}
_TRANSIENT_STATUS = {408, 409, 425, 429}
_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_BAD_KEYS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidSecurity", "AccountProblem",
    "NotSignedUp", "RequestTimeTooSkewed",
}  # fmt: skip
_THROTTLED = {
    "SlowDown",
    "TooManyRequests",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "ServerBusy",
}

_KEYS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT_KEY",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}

RETRY_CAUSES = ("connection", "expired-keys", "server-error", "throttled", "timeout", "wrong-length")
"""What `retry_cause` says, sorted."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then its causes, each once."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def http_status(error: BaseException) -> int | None:
    """HTTP status of the answer that led to this error, where the client kept it."""
    for response in _responses(error):
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if isinstance(status, int):
            return status
    for link in chain(error):
        if type(link).__module__.partition(".")[0] in {"gcsfs", "azure"}:
            status = getattr(link, "status_code", None) or getattr(link, "code", None)
            if isinstance(status, int):
                return status
    return None


def error_code(error: BaseException) -> str:
    """The S3 code of the answer that led to this error ("SlowDown", "NoSuchKey", ...); "" where there is none."""
    return next((str(response.get("Error", {}).get("Code", "")) for response in _responses(error)), "")


def _responses(error: BaseException) -> Iterator[dict[str, Any]]:
    for link in chain(error):
        response = getattr(link, "response", None)
        if isinstance(response, dict):
            yield response


def is_expired(error: BaseException) -> bool:
    """True when the server says that the keys were good and have expired; a new client may find newer ones."""
    return error_code(error) in _EXPIRED


def retry_cause(error: BaseException) -> str:
    """Which of `RETRY_CAUSES` a transient error is: the label of its counter."""
    if isinstance(error, WrongLengthError):
        return "wrong-length"
    if is_expired(error):
        return "expired-keys"
    status = http_status(error)
    if status == 429 or error_code(error) in _THROTTLED:
        return "throttled"
    if status is not None and status >= 400:
        return "server-error"
    names = {type(link).__name__ for link in chain(error)}
    if any("Timeout" in name for name in names):
        return "timeout"
    return "connection"


def is_transient(error: BaseException) -> bool:
    """True for connection errors, timeouts, cut bodies, expired keys and HTTP 408, 409, 429 and 5xx."""
    if is_expired(error):
        return True
    if isinstance(error, UserError | FileNotFoundError | PermissionError | FileExistsError):
        return False
    status = http_status(error)
    if status is not None and 400 <= status < 600:
        return (status >= 500 and status != 501) or status in _TRANSIENT_STATUS
    for link in chain(error):
        if type(link).__name__ in _PERMANENT_BOTO:
            return False
        if isinstance(link, TimeoutError | ConnectionError | EOFError | HTTPException):
            return True
        if isinstance(link, OSError):
            return link.errno not in _PERMANENT_ERRNO
        module = type(link).__module__.partition(".")[0]
        if module in {"botocore", "aiobotocore", "aiohttp", "azure"}:
            return True
    return False


def explained(error: Exception, url: str, action: str) -> Exception:
    """The same error as one whose text names the URL and the mend; unknown errors stay as they are."""
    status = http_status(error)
    missing_keys = any(type(link).__name__ in _PERMANENT_BOTO for link in chain(error))
    if isinstance(error, UserError) or is_expired(error):
        return error
    if isinstance(error, PermissionError) or status in {401, 403} or missing_keys:
        kind = StorageKeysError if missing_keys or error_code(error) in _BAD_KEYS else StorageDeniedError
        return kind(
            f"{action} {url}: access denied ({error}); check {_KEYS.get(url.partition(':')[0], _KEYS['s3'])} "
            "(spec.data.storage.secretRef), their rights on this bucket, and the endpoint"
        )
    if isinstance(error, FileNotFoundError) or status == 404:
        return StorageNotFoundError(f"{action} {url}: not found; check the path, the bucket and the endpoint")
    return error
