"""Object storage addresses in a manifest."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

PATTERN = r"^(s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S+|file:///\S+)$"
_MATCH = re.compile(PATTERN)

StorageUri = Annotated[str, Field(max_length=1024)]


def is_storage_uri(text: str) -> bool:
    """True for `s3://bucket/path` and `file:///path`."""
    return _MATCH.match(text) is not None


def uri_cel(field: str) -> str:
    """The CEL form of `is_storage_uri` for one field of `self`."""
    escaped = PATTERN.replace("\\", "\\\\")
    return f"self.{field}.matches('{escaped}')"


def uri_message(field: str, what: str) -> str:
    """The message that goes with it: names the field, the value and the mend."""
    return f"{field} {{{what}}} is not a storage address: write s3://bucket/path or file:///path"
