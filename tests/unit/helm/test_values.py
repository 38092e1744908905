"""values.yaml, values.schema.json and the table in the docs say the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from webssl_chart.values_table import to_markdown, values

CHART = Path(__file__).parents[3] / "helm" / "webssl-operator"


@pytest.fixture
def schema() -> dict[str, Any]:
    return json.loads((CHART / "values.schema.json").read_text())


@pytest.fixture
def defaults() -> dict[str, Any]:
    return yaml.safe_load((CHART / "values.yaml").read_text())


def test_the_defaults_satisfy_the_schema(schema: dict[str, Any], defaults: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.Draft7Validator(schema).validate(defaults)


def test_every_default_is_described_and_every_described_value_has_a_default(
    schema: dict[str, Any], defaults: dict[str, Any]
) -> None:
    listed = {value.name for value in values(schema, defaults)}

    def described(prefix: str, node: dict[str, Any]) -> set[str]:
        names: set[str] = set()
        for key, entry in node["properties"].items():
            nested = "properties" in entry and "description" not in entry
            names |= described(f"{prefix}{key}.", entry) if nested else {f"{prefix}{key}"}
        return names

    assert described("", schema) - {"global"} == listed


def test_no_object_of_the_schema_lets_unknown_values_through(schema: dict[str, Any]) -> None:
    def check(node: dict[str, Any], path: str) -> None:
        if "properties" in node:
            assert node.get("additionalProperties") is False, path
            for key, entry in node["properties"].items():
                check(entry, f"{path}/{key}")

    check(schema, "")


def test_a_value_without_a_description_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="replica is not in values"):
        values({"properties": {}}, {"replica": 1})
    with pytest.raises(ValueError, match="replica has no description"):
        values({"properties": {"replica": {"type": "integer"}}}, {"replica": 1})


def test_the_table_has_name_type_default_and_meaning() -> None:
    schema = {"properties": {"a": {"properties": {"b": {"type": "integer", "description": "Number."}}}}}
    assert (
        to_markdown(values(schema, {"a": {"b": 2}})).splitlines()[-1] == "| `a.b` | integer | `2` | Number. |"
    )
