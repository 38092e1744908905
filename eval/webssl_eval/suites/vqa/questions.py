"""Question files: one JSON object a line with id, image, question, answer, and optionally type."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from webssl_eval.images import ImageRef, ref_of

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


@dataclass(frozen=True)
class Question:
    """One question. kind: the type of its answer, "" for none. place: file and line, for errors."""

    id: str
    image: ImageRef
    question: str
    answer: str
    kind: str
    place: str


@dataclass(frozen=True)
class QuestionFile:
    """The questions of a file in its order, and the SHA-256 of the file."""

    url: str
    questions: list[Question]
    digest: str

    def front(self, count: int | None) -> QuestionFile:
        """The first `count` questions; all for None."""
        return QuestionFile(self.url, self.questions[:count], self.digest)


class _Line(BaseModel):
    # Other fields are the data set's own affair.
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: Text
    image: Text
    question: Text
    answer: Text
    type: str = ""


def load_questions(storage: Storage, url: str) -> QuestionFile:
    """Read a question file.

    Raises:
        UserError: missing, empty, a malformed line, or an id that comes twice; names file, line and mend.
    """
    data = storage.read(url)
    return QuestionFile(url, parse_questions(data, url), hashlib.sha256(data).hexdigest())


def parse_questions(data: bytes, url: str) -> list[Question]:
    """The questions of a file's bytes; `url` is where it is, and images are relative to its folder.

    Raises:
        UserError: see `load_questions`.
    """
    folder, _, name = url.rpartition("/")
    questions: list[Question] = []
    lines: dict[str, int] = {}
    for number, raw in enumerate(data.split(b"\n"), start=1):
        if not raw.strip():
            continue
        question = _parsed(raw, folder, f"{name}:{number}")
        if question.id in lines:
            raise UserError(
                f"{question.place}: id {question.id!r} is that of line {lines[question.id]} already; ids must differ"
            )
        lines[question.id] = number
        questions.append(question)
    if not questions:
        raise UserError(
            f"{url} holds no question; write one JSON object a line with id, image, question and answer"
        )
    return questions


def first_places(questions: Iterable[Question]) -> dict[ImageRef, str]:
    """The distinct images in the order of their first mention, each with the place of it."""
    places: dict[ImageRef, str] = {}
    for question in questions:
        places.setdefault(question.image, question.place)
    return places


def _parsed(raw: bytes, folder: str, place: str) -> Question:
    try:
        line = _Line.model_validate_json(raw)
        image = ref_of(folder, line.image)
    except ValidationError as error:
        raise UserError(
            f"{place}: {_first(error)}; write a JSON object with id, image, question and answer"
        ) from error
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error
    return Question(line.id, image, line.question, line.answer, line.type.strip(), place)


def _first(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in problem["loc"])
    return f"{field}: {problem['msg']}" if field else str(problem["msg"])
