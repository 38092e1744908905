"""Reads a published config.json field by field, so that what does not fit is named. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webssl_trainer.errors import UserError


@dataclass(frozen=True)
class Fields:
    """A configuration file's fields.

    Attributes:
        raw: what the file says.
        defaults: what a field means that the file leaves out.
        where: name of the file, for messages.
    """

    raw: Mapping[str, Any]
    defaults: Mapping[str, Any]
    where: str

    def value(self, name: str) -> Any:
        """A field's value, or its default."""
        found = self.raw.get(name)
        return self.defaults.get(name) if found is None else found

    def require(self, name: str, wanted: Any, mend: str) -> None:
        """Raises UserError unless the field has the one value that is supported."""
        found = self.value(name)
        if found != wanted:
            raise UserError(f"{self.where}: {name} is {found!r}, only {wanted!r} can be imported: {mend}")

    def flag(self, name: str) -> bool:
        """True or false. Raises UserError for anything else."""
        found = self.value(name)
        if not isinstance(found, bool):
            raise UserError(f"{self.where}: {name} is {found!r}; write true or false")
        return found

    def whole(self, name: str) -> int:
        """A positive whole number. Raises UserError for anything else."""
        found = self.value(name)
        if isinstance(found, bool) or not isinstance(found, int) or found <= 0:
            raise UserError(f"{self.where}: {name} is {found!r}; write a positive whole number")
        return found

    def real(self, name: str) -> float:
        """A positive number. Raises UserError for anything else."""
        found = self.value(name)
        if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
            raise UserError(f"{self.where}: {name} is {found!r}; write a positive number")
        return float(found)

    def side(self, name: str) -> int:
        """Side in pixels of something square, written as one number or as two equal ones.

        Raises:
            UserError: it is not square, or no positive whole number.
        """
        found = self.value(name)
        if isinstance(found, list | tuple):
            if len(found) != 2 or found[0] != found[1]:
                raise UserError(f"{self.where}: {name} is {found!r}; only square ones can be imported")
            found = found[0]
        return Fields({name: found}, {}, self.where).whole(name)
