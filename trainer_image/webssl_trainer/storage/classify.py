"""Which storage errors pass by themselves, and what the others mean to the user."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from http.client import HTTPException

from webssl_trainer.errors import UserError
from webssl_trainer.storage.errors import StorageDeniedError, StorageNotFoundError

_PERMANENT_ERRNO = {
    errno.EINVAL, errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR,
    errno.ENOENT, errno.EEXIST, errno.ENOSPC, errno.EROFS, errno.ENOTEMPTY, getattr(errno, "EREMCHG", -1),
}  # fmt: skip
_PERMANENT_BOTO = {"NoCredentialsError", "PartialCredentialsError", "ParamValidationError", "NoRegionError"}
_TRANSIENT_STATUS = {408, 409, 425, 429}


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
    for link in chain(error):
        response = getattr(link, "response", None)
        if isinstance(response, dict):
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            if isinstance(status, int):
                return status
    return None


def is_transient(error: BaseException) -> bool:
    """True for connection errors, timeouts, cut bodies and HTTP 408, 409, 429 and 5xx."""
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
        if module in {"botocore", "aiobotocore", "aiohttp"}:
            return True
    return False


def explained(error: Exception, url: str, action: str) -> Exception:
    """The same error as one whose text names the URL and the mend; unknown errors stay as they are."""
    status = http_status(error)
    missing_keys = any(type(link).__name__ in _PERMANENT_BOTO for link in chain(error))
    if isinstance(error, UserError):
        return error
    if isinstance(error, PermissionError) or status in {401, 403} or missing_keys:
        return StorageDeniedError(
            f"{action} {url}: access denied ({error}); check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "(spec.data.storage.secretRef), their rights on this bucket, and the endpoint"
        )
    if isinstance(error, FileNotFoundError) or status == 404:
        return StorageNotFoundError(f"{action} {url}: not found; check the path, the bucket and the endpoint")
    return error
