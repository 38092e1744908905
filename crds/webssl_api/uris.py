"""Object storage addresses in a manifest."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from webssl_api.base import Rule

PATTERN = r"^((s3|gs|az)://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/\S+|file:///\S+)$"
FORMS = "s3://bucket/path, gs://bucket/path, az://container/path or file:///path"
"""What an address looks like, for messages."""
_MATCH = re.compile(PATTERN)

StorageUri = Annotated[str, Field(max_length=1024)]


def is_storage_uri(text: str) -> bool:
    """True for what `FORMS` says."""
    return _MATCH.match(text) is not None


def uri_cel(field: str) -> str:
    """The CEL form of `is_storage_uri` for one field of `self`."""
    escaped = PATTERN.replace("\\", "\\\\")
    return f"self.{field}.matches('{escaped}')"


def uri_rule(where: str, field: str, optional: bool = False) -> Rule:
    """The rule that a field is a storage address; messages call the object that holds it `where`.

    optional: the field may be absent.
    """
    return Rule(
        cel=f"!has(self.{field}) || {uri_cel(field)}" if optional else uri_cel(field),
        message=f"{where}.{field} {{{field}}} is not a storage address: write {FORMS}",
        check=lambda self: getattr(self, field) is None or is_storage_uri(getattr(self, field)),
    )


def one_folder_rule(where: str, field: str) -> Rule:
    """The rule that an address names one folder; `where` as in `uri_rule`."""
    return Rule(
        cel=f"!self.{field}.matches('[*?{{}}]')",
        message=f"{where}.{field} {{{field}}} holds a pattern: name one folder, without wildcards or braces",
        check=lambda self: not any(c in getattr(self, field) for c in "*?{}"),
    )
