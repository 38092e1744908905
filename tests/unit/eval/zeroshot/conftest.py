"""Pictures of one colour each with captions that name it, and settings with which the smallest tower learns them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from webssl_api.evaluation_zeroshot import ZeroshotSuite
from webssl_eval.encoders import VitEncoder, random_encoder
from webssl_eval.suites.interface import Workplace
from webssl_trainer.data.pack import PackItem, pack
from webssl_trainer.storage import open_storage

from tests.unit.eval.conftest import COLOURS, CONFIG

PAIRS = 48


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(open_storage(), tmp_path / "scratch", torch.device("cpu"), lambda *_: None)


@pytest.fixture
def encoder() -> VitEncoder:
    return random_encoder(CONFIG, 28, 0, torch.device("cpu"))


def shade(number: int) -> bytes:
    """A picture of colour number % 4, of a brightness that depends on the number."""
    colour = COLOURS[list(COLOURS)[number % 4]]
    buffer = io.BytesIO()
    Image.new("RGB", (28, 28), tuple(int(part * (1 - 0.004 * number)) for part in colour)).save(buffer, "PNG")
    return buffer.getvalue()


def item(number: int, caption: str | None = None, data: bytes | None = None) -> PackItem:
    """One pair: a picture of a shade, and what it is."""
    name = list(COLOURS)[number % 4]
    text = f"{name}\nthe colour {name}" if caption is None else caption
    return PackItem(f"{number:03}", shade(number) if data is None else data, "png", caption=text)


@pytest.fixture
def pairs(place: Workplace, tmp_path: Path) -> str:
    """Shards of pairs with two captions each."""
    pack([item(number) for number in range(PAIRS)], place.storage, (tmp_path / "pairs").as_uri(), 20)
    return f"{(tmp_path / 'pairs').as_uri()}/*.tar"


@pytest.fixture
def labelled(place: Workplace, tmp_path: Path) -> str:
    """Labelled pictures of other shades."""
    items = [PackItem(f"t{n}", shade(n), "png", label=n % 4) for n in range(PAIRS, PAIRS + 12)]
    pack(items, place.storage, (tmp_path / "labelled").as_uri())
    return f"{(tmp_path / 'labelled').as_uri()}/*.tar"


@pytest.fixture
def names(tmp_path: Path) -> str:
    (tmp_path / "names.txt").write_text("\n".join(COLOURS) + "\n")
    return (tmp_path / "names.txt").as_uri()


@pytest.fixture
def prompts(tmp_path: Path) -> str:
    """Sentences as the captions have them."""
    (tmp_path / "sentences.txt").write_text("{}\nthe colour {}\n")
    return (tmp_path / "sentences.txt").as_uri()


@pytest.fixture
def settings_for(pairs: str) -> Callable[..., ZeroshotSuite]:
    def made(**changes: Any) -> ZeroshotSuite:
        smallest: Mapping[str, Any] = {
            "pairs": pairs,
            "tokenizer": "bytes",
            "context_length": 40,
            "text_tower": "tiny",
            "steps": 40,
            "batch_size": 16,
            "learning_rate": 3e-3,
        }
        return ZeroshotSuite(**{**smallest, **changes})

    return made
