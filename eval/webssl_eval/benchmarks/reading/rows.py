"""Rows of a published file, checked against the columns that a benchmark needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from webssl_eval.benchmarks.question import Problem, Question

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Row(BaseModel):
    """Base of a benchmark's row: its fields are the columns that are read, with their types. Others are left alone."""

    model_config = ConfigDict(extra="ignore", frozen=True, coerce_numbers_to_str=True, populate_by_name=True)


RowT = TypeVar("RowT", bound=Row)
QuestionOf = Callable[[RowT, "Place"], Question | None]
"""Makes the question of a row; None for rows that are no part of the benchmark. ValueError names field, value and mend."""


@dataclass(frozen=True)
class Place:
    """A row: the file's URL, its 0-based number in that file, and among the rows of all files."""

    url: str
    row: int
    index: int

    def __str__(self) -> str:
        return f"{self.url.rpartition('/')[2]} row {self.row}"

    @property
    def folder(self) -> str:
        """URL of the file's folder, which paths of images are relative to."""
        return self.url.rpartition("/")[0]


def columns_of(model: type[Row]) -> dict[str, bool]:
    """The columns that a row model reads, and whether each must be there."""
    return {field.alias or name: field.is_required() for name, field in model.model_fields.items()}


def missing_columns(model: type[Row], there: Collection[str]) -> str:
    """Says which columns a file lacks; "" for none."""
    missing = [name for name, needed in columns_of(model).items() if needed and name not in there]
    if not missing:
        return ""
    return (
        f"no column {', '.join(missing)} (there: {', '.join(there) or 'none'}); copy the published file again"
    )


def questions_of(
    rows: Iterable[tuple[Place, Mapping[str, Any]]], model: type[RowT], make: QuestionOf[RowT]
) -> Iterator[Question | Problem]:
    """Questions of raw rows, and a problem for every row that is malformed."""
    for place, raw in rows:
        try:
            question = make(model.model_validate(raw), place)
        except ValidationError as error:
            yield Problem(str(place), f"{_first(error)}; copy the published file again")
        except ValueError as error:
            yield Problem(str(place), str(error))
        else:
            if question is not None:
                yield question


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    value = repr(problem["input"])
    shown = value if len(value) <= 60 else value[:57] + "..."
    wanted = "should be a picture" if problem["type"] == "dataclass_type" else problem["msg"]
    return f"{'.'.join(str(part) for part in problem['loc'])}: {wanted}, not {shown}"
