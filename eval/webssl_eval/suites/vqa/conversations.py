"""A row of training data: turns of question and answer, at most one image; and LLaVA's and Cambrian-1's JSON layout of it.

    {"id": ..., "image": "coco/1.jpg", "conversations": [
        {"from": "human", "value": "<image> What is it?"}, {"from": "gpt", "value": "A cat."}]}

What published sets leave open is settled so:

* a row without an image is text only, and has no `<image>`;
* an image without `<image>` stands in front of the first question; more than one `<image>`, or more than one image, is refused;
* `<image>` stands in front of its question wherever it was written in it, as in LLaVA's own preparation;
* answers before the first question are left out, and a `system` message is put in front of the first question;
* ids may repeat, as they do in published mixtures; a row is known by its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

PLACEHOLDER = "<image>"


@dataclass(frozen=True)
class Conversation:
    """One row.

    Attributes:
        turns: question and answer each, at least one turn.
        image: as the file names it; None for text only.
        image_turn: number of the turn whose question the image stands in front of.
    """

    turns: tuple[tuple[str, str], ...]
    image: str | None = None
    image_turn: int = 0


class _Message(BaseModel):
    model_config = ConfigDict(extra="ignore")

    value: str


class _Row(BaseModel):
    # Other fields are the data set's own affair.
    model_config = ConfigDict(extra="ignore")

    image: str | list[str] | None = None
    conversations: list[dict[str, Any]]


Role = Literal["human", "gpt", "system"]
_ROLES: dict[str, Role] = {
    "human": "human",
    "user": "human",
    "gpt": "gpt",
    "assistant": "gpt",
    "system": "system",
}


def parsed_row(row: object) -> Conversation:
    """A row of the file, as JSON gives it.

    Raises:
        ValueError: malformed; says what is wrong and what to write.
    """
    try:
        found = _Row.model_validate(row)
        messages = [
            (_role(item), _Message.model_validate(item).value.strip()) for item in found.conversations
        ]
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        field = ".".join(map(str, problem["loc"]))
        raise ValueError(f"{field}: {problem['msg']}; {_MEND}") from error
    image = _one_image(found.image)
    turns = _turns(messages)
    marked = [number for number, (question, _) in enumerate(turns) if PLACEHOLDER in question]
    marks = sum(question.count(PLACEHOLDER) for question, _ in turns)
    if image is None and marks:
        raise ValueError(
            f"{PLACEHOLDER} stands in a question, but the row names no image; name one, or remove it"
        )
    if marks > 1:
        raise ValueError(f"{marks} times {PLACEHOLDER} in a row with one image; write it once")
    plain = tuple((question.replace(PLACEHOLDER, "").strip(), answer) for question, answer in turns)
    return Conversation(plain, image, marked[0] if marked else 0)


_MEND = "write id, image and conversations: [{from: human, value}, {from: gpt, value}, ...]"


def _role(message: dict[str, Any]) -> Role:
    role = _ROLES.get(str(message.get("from", "")))
    if role is None:
        raise ValueError(f"from: {message.get('from')!r} is neither human nor gpt; {_MEND}")
    return role


def _one_image(image: str | list[str] | None) -> str | None:
    images = [image] if isinstance(image, str) else (image or [])
    if len(images) > 1:
        raise ValueError(f"image: names {len(images)} images; give each a row of its own")
    return images[0] if images and images[0] else None


def _turns(messages: Sequence[tuple[Role, str]]) -> list[tuple[str, str]]:
    system = "\n".join(text for role, text in messages if role == "system")
    said = [(role, text) for role, text in messages if role != "system"]
    while said and said[0][0] == "gpt":
        said.pop(0)
    if (
        not said
        or len(said) % 2
        or any(role != ("human", "gpt")[place % 2] for place, (role, _) in enumerate(said))
    ):
        raise ValueError(f"conversations: human and gpt must take turns, and gpt must end; {_MEND}")
    turns = [(said[place][1], said[place + 1][1]) for place in range(0, len(said), 2)]
    if any(not answer for _, answer in turns):
        raise ValueError("conversations: an answer is empty; remove its turn")
    if system:
        turns[0] = (f"{system}\n{turns[0][0]}", turns[0][1])
    return turns
