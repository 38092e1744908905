"""Access keys of S3, found where every AWS client finds them, for a client that does not look for them itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import botocore.session
from botocore.exceptions import NoCredentialsError


@dataclass(frozen=True)
class Keys:
    """One set of access keys. They are kept out of `repr`, so that no log shows them."""

    access: str = field(repr=False)
    secret: str = field(repr=False)
    token: str | None = field(repr=False)


class KeySource:
    """The keys of this process: environment, files, web identity, container and instance roles, in AWS's order.

    Keys with a known end are renewed before it by their provider. Others stay until someone says that they have
    expired; then all places are looked up anew. Safe for several threads.

    Args:
        session: makes what looks for keys.
    """

    def __init__(self, session: Callable[[], Any] = botocore.session.Session) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._found: Any = None

    def current(self) -> Keys:
        """The keys as they are now.

        Raises:
            NoCredentialsError: there are none.
        """
        with self._lock:
            if self._found is None:
                self._found = self._session().get_credentials()
            if self._found is None:
                raise NoCredentialsError()
            frozen = self._found.get_frozen_credentials()
        return Keys(frozen.access_key, frozen.secret_key, frozen.token)

    def renew(self, expired: Keys) -> None:
        """Forget keys that have expired, unless newer ones are known already."""
        with self._lock:
            if self._found is not None:
                frozen = self._found.get_frozen_credentials()
                if Keys(frozen.access_key, frozen.secret_key, frozen.token) == expired:
                    self._found = None
