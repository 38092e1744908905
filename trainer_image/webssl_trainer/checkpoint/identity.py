"""What a checkpoint's contents depend on, as flat fields, so that a mismatch can be named. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from webssl_api.run import WebSSLRunSpec

from webssl_trainer.errors import UserError

INDEX = "dataIndex"
"""Key under which a checkpoint also names the data index that it was trained with; not a part of the identity."""
_PARTS = ("model", "objective", "schedule", "optimizer")
_DATA = ("source", "seed", "neighbours", "filter", "weight", "mix")
_RUN_TIME_ONLY = re.compile(
    r"schedule\.microBatchSize|data\.mix\[\d+\]\.index|data\.(mix\[\d+\]\.)?filter\.maxUnmatchedFraction"
)
"""May change within a run: results do not depend on it."""


def identity_of(spec: WebSSLRunSpec) -> dict[str, Any]:
    """Flat fields of a spec that may not change within a run, by their names in the manifest (`model.size`, ...)."""
    raw = spec.to_dict()
    parts = {name: raw[name] for name in _PARTS if name in raw}
    parts["data"] = {key: raw["data"][key] for key in _DATA if key in raw["data"]}
    return {key: value for key, value in _flat(parts, "").items() if not _RUN_TIME_ONLY.fullmatch(key)}


def to_bytes(identity: Mapping[str, Any]) -> bytes:
    """Canonical JSON."""
    return json.dumps(identity, sort_keys=True, separators=(",", ":")).encode()


def digest_of(identity: Mapping[str, Any]) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(to_bytes(identity)).hexdigest()


def check_same(stored: bytes, present: Mapping[str, Any], where: str) -> None:
    """Raises UserError that names the first field in which a checkpoint's run differs from this one."""
    before: dict[str, Any] = json.loads(stored)
    before.pop(INDEX, None)
    for field in sorted(before.keys() | present.keys()):
        old, new = before.get(field), present.get(field)
        if old != new:
            raise UserError(
                f"spec.{field} is {new!r}, but the checkpoint {where} was trained with {old!r}: "
                "restore the old value, or give this run another spec.checkpoint.uri"
            )


def index_digest(stored: bytes) -> str:
    """Digest of the data index a checkpoint was trained with, "" when it names none."""
    return str(json.loads(stored).get(INDEX, ""))


def _flat(value: Any, name: str) -> dict[str, Any]:
    if isinstance(value, dict):
        inner = [_flat(item, f"{name}.{key}" if name else str(key)) for key, item in value.items()]
        return {key: item for part in inner for key, item in part.items()}
    if isinstance(value, list):
        inner = [_flat(item, f"{name}[{number}]") for number, item in enumerate(value)]
        return {key: item for part in inner for key, item in part.items()}
    return {name: value}
