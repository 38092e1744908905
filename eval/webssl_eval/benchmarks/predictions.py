"""Predictions and references as JSON lines: what scores are computed from, again at any time.

`predictions.jsonl` holds one answer a line, `references.jsonl` what the answers are scored against. Both name the benchmark and
the version of its prompt and scoring, so that lines of several benchmarks and of several pods may stand in any order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from webssl_trainer.errors import UserError

from webssl_eval.benchmarks.benchmark import Benchmark
from webssl_eval.benchmarks.question import Reference

Name = Annotated[str, StringConstraints(min_length=1)]


class Prediction(BaseModel):
    """One answer. Other fields of a line are left alone."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    benchmark: Name
    version: int
    id: Name
    text: str
    """As the language model wrote it, unchanged."""


class ReferenceLine(Reference):
    """One reference with the benchmark that it belongs to."""

    benchmark: Name
    version: int


LineT = TypeVar("LineT", Prediction, ReferenceLine)
Answers = dict[str, dict[str, str]]
"""Text of each answer by benchmark and id."""


def written(lines: Iterable[BaseModel]) -> bytes:
    """JSON lines."""
    return "".join(f"{line.model_dump_json()}\n" for line in lines).encode()


def reference_lines(benchmark: Benchmark, references: Iterable[Reference]) -> Iterator[ReferenceLine]:
    """The lines that keep a benchmark's references."""
    for reference in references:
        yield ReferenceLine(benchmark=benchmark.name, version=benchmark.version, **reference.model_dump())


def parsed(data: bytes, name: str, line: type[LineT]) -> Iterator[tuple[str, LineT]]:
    """The lines of a file, each with its place.

    Raises:
        UserError: a malformed line; names file, line, field and mend.
    """
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        place = f"{name}:{number}"
        try:
            yield place, line.model_validate_json(raw)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in problem["loc"])
            wanted = ", ".join(line.model_fields)
            raise UserError(
                f"{place}: {f'{field}: ' if field else ''}{problem['msg']}; write a JSON object with {wanted}"
            ) from error


def collected(lines: Iterable[tuple[str, Prediction]], benchmarks: Mapping[str, Benchmark]) -> Answers:
    """The answers of each benchmark, from any number of files.

    Raises:
        UserError: an unknown benchmark, another version of it, or an id that comes twice.
    """
    answers: Answers = {}
    for (name, identity), (_, line) in _distinct(lines, benchmarks).items():
        answers.setdefault(name, {})[identity] = line.text
    return answers


def kept_references(
    lines: Iterable[tuple[str, ReferenceLine]], benchmarks: Mapping[str, Benchmark]
) -> dict[str, tuple[Reference, ...]]:
    """The references of each benchmark, from any number of files.

    Raises:
        UserError: as `collected`.
    """
    references: dict[str, list[Reference]] = {}
    for (name, _), (_, line) in _distinct(lines, benchmarks).items():
        references.setdefault(name, []).append(Reference.model_validate(line.model_dump()))
    return {name: tuple(found) for name, found in references.items()}


def _distinct(
    lines: Iterable[tuple[str, LineT]], benchmarks: Mapping[str, Benchmark]
) -> dict[tuple[str, str], tuple[str, LineT]]:
    seen: dict[tuple[str, str], tuple[str, LineT]] = {}
    for place, line in lines:
        benchmark = benchmarks.get(line.benchmark)
        if benchmark is None:
            known = ", ".join(benchmarks)
            raise UserError(f"{place}: benchmark: {line.benchmark!r} is unknown; use one of {known}")
        if line.version != benchmark.version:
            raise UserError(
                f"{place}: version: {line.version} of {benchmark.name}, but this program scores version "
                f"{benchmark.version}; answer the questions again, or score with the program that asked them"
            )
        key = (line.benchmark, line.id)
        if key in seen:
            raise UserError(
                f"{place}: id: {line.id!r} of {line.benchmark} is that of {seen[key][0]} already; keep one of the lines"
            )
        seen[key] = (place, line)
    return seen
