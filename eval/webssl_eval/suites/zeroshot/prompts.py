"""What the classes are called, and in which sentences. Pure.

Source: Radford et al., "Learning transferable visual models from natural language supervision" (2021): the text of a
class is the mean of its unit features in several sentences.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor
from webssl_trainer.errors import UserError
from webssl_trainer.objectives.clip.tokenizer import Tokenizer

_HERE = "spec.evaluation.suites.zeroshot"
TEMPLATES = (
    "{}",
    "a {}",
    "a photo of a {}.",
    "a photo of the {}.",
    "a picture that shows a {}.",
    "a {} seen from close by.",
    "a {} seen from far away.",
    "a bright photo of a {}.",
    "a dark photo of a {}.",
    "a small {} in a picture.",
    "a large {} in a picture.",
    "a drawing of a {}.",
)


@dataclass(frozen=True)
class Classes:
    """names: of each class that can be the answer. rows: the place among them of each class that was asked for."""

    names: tuple[str, ...]
    rows: tuple[int, ...]


def templates_of(data: bytes | None, where: str) -> tuple[str, ...]:
    """The sentences of a file, a line each; ours for None.

    Raises:
        UserError: none in it, or one without exactly one place for the name.
    """
    if data is None:
        return TEMPLATES
    found = tuple(line.strip() for line in _text(data, where).splitlines() if line.strip())
    if not found:
        raise UserError(f"{where} is empty; write a template per line, such as: a photo of a {{}}.")
    for line in found:
        if line.count("{}") != 1:
            raise UserError(f"{where}: template {line!r} must have {{}} exactly once, where the name stands")
    return found


def classes_of(data: bytes | None, own: Sequence[str], where: str) -> Classes:
    """The names of classes.

    Args:
        data: a JSON object from class to name, a JSON list, or lines; None for the set's own names.
        own: the classes that the labelled images have: numbers as text, or all names in their sorted order.
        where: the file, for errors.

    Raises:
        UserError: a class has no name, an empty one, or numbers are all there is.
    """
    numbers = all(name.isascii() and name.isdigit() for name in own)
    if data is None:
        if numbers:
            raise UserError(
                f"the classes of {where} are numbers; name {_HERE}.classNames, a file with a name per line"
            )
        return Classes(tuple(_plain(name) for name in own), tuple(range(len(own))))
    listed = _listed(data, where)
    if isinstance(listed, dict):
        lost = [name for name in own if name not in listed]
        if lost:
            raise UserError(f"{where} has no name for class {lost[0]} ({len(lost)} are missing); add them")
        places = {key: row for row, key in enumerate(listed)}
        return _checked(tuple(listed.values()), tuple(places[name] for name in own), where)
    if numbers:
        rows = tuple(int(name) for name in own)
        if max(rows, default=0) >= len(listed):
            raise UserError(
                f"{where} has {len(listed)} names, but test has images of class {max(rows)}; write a name for each class, from 0 on"
            )
        return _checked(tuple(listed), rows, where)
    if len(listed) != len(own):
        raise UserError(
            f"{where} has {len(listed)} names for the {len(own)} classes of test; write one for each, in their order"
        )
    return _checked(tuple(listed), tuple(range(len(own))), where)


def class_sentences(names: Sequence[str], templates: Sequence[str], tokenizer: Tokenizer) -> list[list[str]]:
    """For each template its sentence for each class.

    Raises:
        UserError: two classes read the same, so that nothing could tell them apart.
    """
    _distinct(names, tokenizer, "")
    sentences = []
    for template in templates:
        written = [template.replace("{}", name) for name in names]
        _distinct(written, tokenizer, template)
        sentences.append(written)
    return sentences


def ensemble(features_TCE: Tensor) -> Tensor:
    """Unit features of T sentences for each of C classes -> one unit vector a class, (C, E): the mean's direction."""
    return F.normalize(features_TCE.mean(dim=0), dim=-1)


def _distinct(texts: Sequence[str], tokenizer: Tokenizer, template: str) -> None:
    tokens, last = tokenizer(list(texts))
    seen: dict[tuple[int, ...], str] = {}
    for text, row, end in zip(texts, tokens.tolist(), last.tolist(), strict=True):
        key = tuple(row[: end + 1])
        if len(key) <= 2:
            raise UserError(f"class name {text!r} has no token in this tokenizer; write another name")
        if key in seen and seen[key] == text:
            raise UserError(
                f"two classes are named {text!r}; write in {_HERE}.classNames what tells them apart"
            )
        if key in seen:
            cut = len(key) == tokens.shape[1]
            mend = (
                f"shorten {template!r} or raise {_HERE}.contextLength"
                if template and cut
                else (f"write other names, or take another {_HERE}.tokenizer")
            )
            raise UserError(f"{seen[key]!r} and {text!r} are the same {len(key)} tokens; {mend}")
        seen[key] = text


def _listed(data: bytes, where: str) -> dict[str, str] | list[str]:
    text = _text(data, where)
    if text.lstrip()[:1] in ("{", "["):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise UserError(f"{where} is no JSON ({error}); write a name per line, or mend it") from error
        values = found.values() if isinstance(found, dict) else found
        if not all(isinstance(value, str) for value in values):
            raise UserError(f"{where}: every name must be a text, one for each class")
        return (
            {key: _plain(value) for key, value in found.items()}
            if isinstance(found, dict)
            else [_plain(value) for value in found]
        )
    return [_plain(line) for line in text.rstrip().splitlines()]


def _checked(names: tuple[str, ...], rows: tuple[int, ...], where: str) -> Classes:
    for number, name in enumerate(names):
        if not name:
            raise UserError(f"{where}: name {number + 1} is empty; write one")
    return Classes(names, rows)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").split())


def _text(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is not UTF-8 ({error.reason}); save it as UTF-8") from error
