"""The document set: first pages of licences, a few questions each; no licence is in both splits."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from webssl_eval.benchmarks.docvqa import BENCHMARK
from webssl_trainer.storage import Storage

from webssl_cli.examples import fonts
from webssl_cli.examples.documents.licences import Licence, copyright_of, licences, texts
from webssl_cli.examples.documents.pages import Page, page
from webssl_cli.examples.question_sets import (
    Asked,
    Progress,
    Published,
    Shown,
    instruction_of,
    json_bytes,
    split_of,
    write,
)

COUNT, EACH = 240, 4
"""Licences, and questions about a page at the most."""

_SECTION = re.compile(
    r"^(\d{1,2})[.)] (?:([A-Z][A-Za-z ,/-]{2,40})[.:](?: |$)|([A-Z ]{4,40})$)", re.MULTILINE
)


def fetch(cache: Path) -> Path:
    """The cache, with the texts (1 MB to download) and fonts in it. Needs npm. Raises CliError."""
    texts(cache)
    fonts.fetch(cache)
    return cache


def build(cache: Path, storage: Storage, target: str, progress: Progress, seed: int = 0) -> None:
    """Write the set under `target`; equal seeds write equal bytes."""
    faces = fonts.fetch(cache)
    known = list(licences(texts(cache)))
    train, test = split_of(random.Random(seed).sample(known, min(COUNT, len(known))), seed)
    pictures, held_out = ((shown(licence, faces, seed) for licence in part) for part in (train, test))
    write(pictures, held_out, PUBLISHED, storage, target, progress, len(train) + len(test))


def shown(licence: Licence, faces: Mapping[str, Path], seed: int) -> Shown:
    """A licence's page with questions."""
    dice = random.Random(f"{seed} {licence.identifier}")
    made = page(licence, faces, dice)
    found = list(questions(licence, made))
    key = re.sub(r"[^a-z0-9-]+", "-", licence.identifier.lower())
    return Shown(key, made.picture, tuple(dice.sample(found, min(EACH, len(found)))))


def questions(licence: Licence, made: Page) -> Iterator[Asked]:
    """Questions whose answers stand on the page. Pure."""
    kind = "form" if made.layout == "form" else "layout"
    for field in made.shown:
        question, answer = _fields(licence)[field]
        if answer:
            yield Asked(question, (answer,), kind)
    yield Asked("What is the page number?", (str(made.number),), "layout")
    if licence.version:
        yield Asked("Which version of the licence is it?", (licence.version,), "layout")
    yield Asked("What is the first word of the text?", (made.text.split()[0].strip('.,:;"'),), "free_text")
    named = copyright_of(licence.text)
    if named is not None and all(part in made.text.replace("\n", " ") for part in named):
        yield Asked("Who holds the copyright?", (named[1],), "free_text")
        yield Asked("Of which year is the copyright?", (named[0],), "free_text")
    for number, *heading in _SECTION.findall(made.text)[:1]:
        yield Asked(
            f"What is section {number} about, by its heading?", ("".join(heading).strip(),), "free_text"
        )


def _fields(licence: Licence) -> dict[str, tuple[str, str]]:
    return {
        "name": ("What is the name of the licence?", licence.name),
        "identifier": ("What is the identifier of the licence?", licence.identifier),
        "approved": ("Is the licence approved by the OSI?", "yes" if licence.approved else "no"),
        "address": ("Which web address is given as the source?", licence.address),
    }


def files(test: Sequence[Shown]) -> Iterator[tuple[str, bytes]]:
    """`val_v1.0_withQT.json`."""
    asked = [(item, number) for item in test for number in range(len(item.asked))]
    data = [
        {
            "questionId": identifier,
            "question": item.asked[number].question,
            "question_types": [item.asked[number].kind],
            "image": f"documents/{item.key}.png",
            "docId": test.index(item),
            "answers": list(item.asked[number].answers),
            "data_split": "val",
        }
        for identifier, (item, number) in enumerate(asked)
    ]
    head = {"dataset_name": "SP-DocVQA", "dataset_version": "1.0", "dataset_split": "val"}
    yield "val_v1.0_withQT.json", json_bytes({**head, "data": data})


PUBLISHED = Published(BENCHMARK.name, instruction_of(BENCHMARK), "documents", files)
