"""fsspec's file systems as the storage uses them: by scheme, with options, and without retries of their own."""

from __future__ import annotations

from typing import Any

import fsspec

from webssl_trainer.errors import UserError
from webssl_trainer.storage import az_direct, gs_direct
from webssl_trainer.storage.classify import is_transient
from webssl_trainer.storage.options import StorageOptions

_EXTRAS = {"gs": "gcsfs", "az": "adlfs"}


def made(scheme: str, options: StorageOptions, patient: bool) -> Any:
    """A new file system.

    Args:
        scheme: of `addresses.SCHEMES`.
        options: see there.
        patient: it tries again by itself (for libraries that want a file system), rather than once for a loop here.
    """
    if scheme in _EXTRAS:
        return _of_extra(scheme, options)
    if scheme != "s3":
        return fsspec.filesystem(scheme)
    import s3fs  # takes as long as all else; a process that only reads does without

    system = fsspec.filesystem(scheme, **_s3(options))
    s3fs.core.set_custom_error_handler(is_transient)
    # s3fs pauses 0.1 s * 1.7**try, at most 15 s: 20 tries outlast a server that is gone for 3 minutes.
    system.retries = 20 if patient else 1
    return system


def _of_extra(scheme: str, options: StorageOptions) -> Any:
    arguments = {"gs": gs_direct, "az": az_direct}[scheme].fsspec_arguments(options)
    try:
        return fsspec.filesystem(scheme, skip_instance_cache=True, **arguments)
    except ImportError as error:
        raise UserError(
            f"{scheme}:// addresses need the package {_EXTRAS[scheme]}: pip install 'webssl-trainer[{scheme}]' ({error})"
        ) from error


def _s3(options: StorageOptions) -> dict[str, Any]:
    return {
        "anon": options.unsigned,
        "endpoint_url": options.endpoint,
        "client_kwargs": {"region_name": options.region} if options.region else {},
        "config_kwargs": {
            "connect_timeout": options.connect_timeout,
            "read_timeout": options.read_timeout,
            "max_pool_connections": options.connections,
            # The retry budget is ours: one layer decides, and one layer logs.
            "retries": {"total_max_attempts": 1},
            "s3": {"addressing_style": "path" if options.endpoint else "auto"},
        },
        "use_listings_cache": False,
        "skip_instance_cache": True,
    }
