"""From the Python types to a structural OpenAPI schema, the form that the API server takes."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from webssl_api.base import ApiModel, Rule
from webssl_api.message_expression import message_expression

_DROP = {"title", "$defs", "discriminator", "const"}


def structural_schema(model: type[ApiModel]) -> dict[str, Any]:
    """Structural schema of `model`: references inlined, rules as x-kubernetes-validations, one type per field."""
    raw = model.model_json_schema(by_alias=True, mode="validation")
    schema = _convert(raw, raw.get("$defs", {}))
    _complete(schema, model)
    return schema


def _convert(node: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        target = defs[node["$ref"].rsplit("/", 1)[1]]
        return _convert({**target, **{key: value for key, value in node.items() if key != "$ref"}}, defs)
    if "anyOf" in node:
        return _convert_union(node, defs)
    out: dict[str, Any] = {}
    for key, value in node.items():
        if key in _DROP:
            continue
        if key == "properties":
            out[key] = {name: _convert(child, defs) for name, child in value.items()}
        elif key == "items":
            out[key] = _convert(value, defs)
        elif key == "additionalProperties":
            _convert_additional(out, value, defs)
        elif key == "exclusiveMinimum":
            out.update(minimum=value, exclusiveMinimum=True)
        elif key == "exclusiveMaximum":
            out.update(maximum=value, exclusiveMaximum=True)
        elif key == "default" and value is None:
            continue
        else:
            out[key] = value
    if out.get("type") == "integer":
        out["format"] = "int64"
    return out


def _convert_union(node: dict[str, Any], defs: dict[str, Any]) -> dict[str, Any]:
    variants = [variant for variant in node["anyOf"] if variant.get("type") != "null"]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    if len(variants) == 1:
        return _convert({**variants[0], **rest}, defs)
    if {variant.get("type") for variant in variants} == {"integer", "string"}:
        kept = {key: value for key, value in rest.items() if key not in _DROP and value is not None}
        return {"x-kubernetes-int-or-string": True, **kept}
    raise TypeError(f"union {node} has no structural form: make it an object with optional fields and a rule")


def _convert_additional(out: dict[str, Any], value: Any, defs: dict[str, Any]) -> None:
    if value is True:
        out["x-kubernetes-preserve-unknown-fields"] = True
    elif isinstance(value, dict):
        out["additionalProperties"] = _convert(value, defs)
    # False is what a structural schema means anyway


def _rule(rule: Rule, schema: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"rule": rule.cel, "message": rule.static_message()}
    expression = message_expression(rule, schema)
    if expression is not None:
        entry["messageExpression"] = expression
    if rule.path is not None:
        entry["fieldPath"] = rule.path
    return entry


def _complete(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Walk types and schema side by side: each type's rules where it is used, and the default of optional objects
    written out, since the API server holds a default against the rules before it fills in the fields' own."""
    if issubclass(model, ApiModel) and model.rules:
        schema["x-kubernetes-validations"] = [_rule(rule, schema) for rule in model.rules]
    for name, field in model.model_fields.items():
        child = schema["properties"].get(field.alias or name)
        nested = _nested_model(field.annotation)
        if child is None or nested is None:
            continue
        _complete(child["items"] if child.get("type") == "array" else child, nested)
        default = field.get_default(call_default_factory=True)
        if isinstance(default, ApiModel):
            _check_default(nested, default, f"{model.__name__}.{name}")
            child["default"] = default.to_dict()


def _check_default(model: type[BaseModel], default: Any, where: str) -> None:
    if default != model():
        raise TypeError(
            f"{where}: a default that differs from its type's own defaults is lost in the CRD; make it a type"
        )


def _nested_model(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        nested = _nested_model(argument)
        if nested is not None:
            return nested
    return None
