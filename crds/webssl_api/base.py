"""The base of every API type: camelCase names, unknown fields refused, and rules that say the mend.

A `Rule` is written once and enforced twice: as CEL by the API server (`schema.py` writes it into the CRD) and as a
Python predicate wherever a manifest is parsed (CLI, operator, pod start). `tests/contract/test_wrong_manifests.py`
holds both against the same table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

_PLACEHOLDER = re.compile(r"\{([a-z0-9_.]+)\}")


@dataclass(frozen=True)
class Rule:
    """One validation rule of an object.

    cel: the expression that the API server evaluates with `self` (and `oldSelf` for transitions).
    message: what the user reads; `{a.b_c}` stands for that field's value, in CEL and in Python alike.
    check: the same decision in Python; None for a transition rule, which needs the old object.
    path: the field the API server blames, as a CRD `fieldPath` such as `.workers.min`.
    """

    cel: str
    message: str
    check: Callable[[Any], bool] | None = None
    path: str | None = None

    def placeholders(self) -> list[str]:
        """The fields that the message shows, as dotted Python names, in order."""
        return _PLACEHOLDER.findall(self.message)

    def message_parts(self) -> list[str]:
        """The message cut at its placeholders: text, field, text, field, ..., text."""
        return _PLACEHOLDER.split(self.message)

    def message_for(self, value: Any) -> str:
        """The message with the values of `value` filled in."""

        def fill(match: re.Match[str]) -> str:
            current = value
            for name in match.group(1).split("."):
                current = getattr(current, name)
            return str(current)

        return _PLACEHOLDER.sub(fill, self.message)

    def static_message(self) -> str:
        """The message with placeholders named, for API servers that cannot evaluate the expression."""
        return _PLACEHOLDER.sub(lambda match: to_camel(match.group(1).split(".")[-1]), self.message)


class ApiModel(BaseModel):
    """Base of all API types. Subclasses list their `rules`; every rule with a `check` runs on construction."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _apply_rules(self) -> ApiModel:
        for rule in type(self).rules:
            if rule.check is not None and not rule.check(self):
                raise ValueError(rule.message_for(self))
        return self

    def to_dict(self) -> dict[str, Any]:
        """The object as it stands in a manifest: camelCase names, JSON values, absent instead of null."""
        dumped: dict[str, Any] = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return dumped
