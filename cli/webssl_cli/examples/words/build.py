"""The word set: one word, number or run of letters a picture; none is in both splits.

The categories are those of OCRBench whose pictures can be made honestly from fonts: handwriting, formulas and questions about
photographs and receipts are left out.
"""

from __future__ import annotations

import random
import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image
from webssl_eval.benchmarks.ocrbench import BENCHMARK
from webssl_trainer.storage import Storage

from webssl_cli.examples import fonts
from webssl_cli.examples.documents.licences import licences, texts
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
from webssl_cli.examples.words import crops

EACH = 160
"""Pictures of a category."""
SHORTEST, LONGEST = 3, 8
"""Letters of a text."""
SEVERAL = 3
"""Texts that must have a word, so that misspelt ones are left out."""

Draw = Callable[[str, Mapping[str, Path], random.Random], Image.Image]
CATEGORIES: dict[str, Draw] = {
    "Regular Text Recognition": crops.plain,
    "Irregular Text Recognition": crops.irregular,
    "Artistic Text Recognition": crops.artistic,
    "Digit String Recognition": crops.plain,
    "Non-Semantic Text Recognition": crops.plain,
}
_DIGITS, _LETTERS = "Digit String Recognition", "Non-Semantic Text Recognition"


def fetch(cache: Path) -> Path:
    """The cache, with the texts that words are taken from (1 MB to download) and fonts in it. Needs npm. Raises CliError."""
    texts(cache)
    fonts.fetch(cache)
    return cache


def build(cache: Path, storage: Storage, target: str, progress: Progress, seed: int = 0) -> None:
    """Write the set under `target`; equal seeds write equal bytes."""
    faces = fonts.fetch(cache)
    known = vocabulary(licence.text for licence in licences(texts(cache)))
    train, test = split_of(list(chosen(known, seed, EACH)), seed)
    pictures, held_out = ((shown(kind, text, faces, seed) for kind, text in part) for part in (train, test))
    write(pictures, held_out, PUBLISHED, storage, target, progress, len(train) + len(test))


def vocabulary(found: Iterable[str]) -> list[str]:
    """Lower-case words that stand in several of the texts, in alphabetical order."""
    counted: Counter[str] = Counter()
    for text in found:
        counted.update(set(re.findall(r"(?<![\w'-])[a-z]+(?![\w'-])", text)))
    return sorted(
        word for word, count in counted.items() if count >= SEVERAL and SHORTEST <= len(word) <= LONGEST
    )


def chosen(known: Sequence[str], seed: int, each: int) -> Iterator[tuple[str, str]]:
    """Category and text of every picture; no text comes twice.

    Raises:
        ValueError: fewer words than pictures of words.
    """
    dice = random.Random(seed)
    words = iter(dice.sample(known, each * (len(CATEGORIES) - 2)))
    taken = set(known)
    for kind in CATEGORIES:
        for _ in range(each):
            if kind in {_DIGITS, _LETTERS}:
                text = _made(string.digits if kind == _DIGITS else string.ascii_lowercase, dice, taken)
            else:
                text = next(words)
            yield kind, text


def shown(kind: str, text: str, faces: Mapping[str, Path], seed: int) -> Shown:
    """A text's picture with the benchmark's question."""
    picture = CATEGORIES[kind](text, faces, random.Random(f"{seed} {text}"))
    question = "what is the number in the image?" if kind == _DIGITS else "what is written in the image?"
    return Shown(f"{kind.partition(' ')[0].lower()}-{text}", picture, (Asked(question, (text,), kind),))


def files(test: Sequence[Shown]) -> Iterator[tuple[str, bytes]]:
    """`OCRBench.json`."""
    records = [
        {
            "dataset_name": "webssl words",
            "type": item.asked[0].kind,
            "id": number,
            "question": item.asked[0].question,
            "answers": list(item.asked[0].answers),
            "image_path": f"{item.key}.png",
        }
        for number, item in enumerate(test)
    ]
    yield "OCRBench.json", json_bytes(records)


PUBLISHED = Published(BENCHMARK.name, instruction_of(BENCHMARK), "OCRBench_Images", files)


def _made(letters: str, dice: random.Random, taken: set[str]) -> str:
    """Letters at random that were not there before."""
    while True:
        text = "".join(dice.choices(letters, k=dice.randint(SHORTEST, LONGEST)))
        if text not in taken:
            taken.add(text)
            return text
