"""CEL expressions for messages that show values.

The API server bounds the cost of every expression before it takes a CRD. It knows no bound for `string(int)`, so an
integer is written digit by digit from a list of one-character strings, whose length it does know.
"""

from __future__ import annotations

from typing import Any

from pydantic.alias_generators import to_camel

from webssl_api.base import Rule

_DIGITS = "['0','1','2','3','4','5','6','7','8','9']"
LARGEST_SHOWN = 10**7


def message_expression(rule: Rule, schema: dict[str, Any]) -> str | None:
    """The rule's message as a CEL string expression over `self`, or None when it shows no value of bounded length."""
    terms: list[str] = []
    shows_value = False
    for index, part in enumerate(rule.message_parts()):
        if index % 2 == 0:
            terms.append(_quote(part))
            continue
        names = [to_camel(name) for name in part.split(".")]
        value = _value("self." + ".".join(names), _field(schema, names))
        shows_value = shows_value or value is not None
        terms.append(value if value is not None else _quote(names[-1]))
    return " + ".join(term for term in terms if term != "''") if shows_value else None


def _field(schema: dict[str, Any], names: list[str]) -> dict[str, Any]:
    for name in names:
        schema = schema.get("properties", {}).get(name, {"type": "string"} if name == "name" else {})
    return schema


def _value(path: str, field: dict[str, Any]) -> str | None:
    if field.get("type") == "string":
        return path
    if field.get("type") == "integer" and field.get("minimum", -1) >= 0 and "maximum" in field:
        return _digits(path, field["maximum"]) if field["maximum"] < LARGEST_SHOWN else None
    return None


def _digits(path: str, maximum: int) -> str:
    powers = [10**exponent for exponent in range(len(str(maximum)) - 1, 0, -1)]
    leading = [f"({path} >= {power} ? {_DIGITS}[{path} / {power} % 10] : '')" for power in powers]
    return " + ".join([*leading, f"{_DIGITS}[{path} % 10]"])


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
