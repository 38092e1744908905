"""Addresses of objects: their schemes, and how they are put together."""

from __future__ import annotations

import fsspec

from webssl_trainer.errors import UserError

REMOTE = ("s3", "gs", "az")
"""Schemes of object storages: `s3://bucket/key`, `gs://bucket/key`, `az://container/blob`."""
SCHEMES = (*REMOTE, "file", "memory")


def scheme_of(url: str) -> str:
    """Scheme of a URL; a plain path is a file.

    Raises:
        UserError: the scheme is not one of `SCHEMES`.
    """
    scheme = url.partition("://")[0].lower() if "://" in url else "file"
    if scheme not in SCHEMES:
        raise UserError(f"{url}: unknown storage scheme {scheme!r}; use one of {', '.join(SCHEMES)}")
    return scheme


def join(base: str, *parts: str) -> str:
    """URL of `parts` under `base`."""
    return "/".join([base.rstrip("/"), *(part.strip("/") for part in parts)])


def url_of(scheme: str, path: str) -> str:
    """URL of a path as fsspec lists it."""
    return f"{scheme}://{path}"


def bucket_and_key(url: str) -> tuple[str, str]:
    """The bucket of a URL, and the object's key in it."""
    bucket, _, key = url.partition("://")[2].partition("/")
    return bucket, key


def canonical(url: str) -> str:
    """The one spelling of a URL, the same that listings give (absolute paths for files).

    Raises:
        UserError: unknown scheme.
    """
    scheme = scheme_of(url)
    if scheme in REMOTE:
        return url_of(scheme, url.partition("://")[2].rstrip("/"))
    return url_of(scheme, fsspec.get_filesystem_class(scheme)._strip_protocol(url))
