"""Defaults as the API server fills them in: of fields that are absent, wherever their object is present."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from webssl_api.run import WebSSLRunSpec
from webssl_api.schema import structural_schema


def with_defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The given sections of a spec with their defaults; sections that are absent stay absent. No rule is checked."""
    sections = _spec_schema()["properties"]
    return {name: _filled(value, sections.get(name, {})) for name, value in spec.items()}


@cache
def _spec_schema() -> dict[str, Any]:
    return structural_schema(WebSSLRunSpec)


def _filled(value: Any, schema: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_filled(item, schema.get("items", {})) for item in value]
    if not isinstance(value, Mapping):
        return value
    fields: dict[str, Any] = schema.get("properties", {})
    absent = {name: child["default"] for name, child in fields.items() if "default" in child}
    full = {**deepcopy(absent), **value}
    ordered = [name for name in fields if name in full] + [name for name in full if name not in fields]
    return {name: _filled(full[name], fields.get(name, {})) for name in ordered}
