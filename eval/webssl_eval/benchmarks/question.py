"""What a benchmark is made of: questions, their references, and where their pictures are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from webssl_eval.images import ImageRef

Id = Annotated[str, StringConstraints(min_length=1)]


@dataclass(frozen=True, order=True)
class Cell:
    """A picture inside a table file. row: 0-based, without the header. item: its number in a cell that holds several."""

    url: str
    row: int
    column: str
    item: int = 0

    def __str__(self) -> str:
        return f"{self.url} row {self.row} {self.column}"


Picture = ImageRef | Cell
Part = str | Picture
"""A piece of what the language model is given: text, or a picture that stands for its visual tokens."""


class Reference(BaseModel):
    """What an answer is scored against; all that a score needs beside the predictions."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    """Unique within the benchmark, and the same every time the same files are read."""

    answers: tuple[str, ...] = Field(min_length=1)
    """The accepted answers, or one annotator's answer each; the letter of the option for multiple choice."""

    choices: tuple[str, ...] = ()
    """The options in the order of their letters; empty for free answers."""

    group: str = ""
    """Questions of one group are right together only: the passes of a circular question, the two of a pair."""

    kind: str = ""
    """Subtask or source that is scored apart."""


@dataclass(frozen=True)
class Question:
    """One question.

    text: as published. pictures: at least one, in the order of the question. hint: text that stands before the question.
    words: words on the picture that an OCR system found, which the prompt may quote. place: file and row, for errors.
    """

    reference: Reference
    text: str
    pictures: tuple[Picture, ...]
    place: str
    hint: str = ""
    words: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The reference's id."""
        return self.reference.id


@dataclass(frozen=True)
class Problem:
    """Something malformed in a benchmark's files. text: field, value and mend."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text
