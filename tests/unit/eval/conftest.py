"""Real parts at a small size: a tiny encoder, a two-layer language model, pictures of one colour each."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from webssl_eval.encoders import VitEncoder, random_encoder
from webssl_eval.suites.interface import Workplace
from webssl_trainer.model import VitConfig
from webssl_trainer.storage import Storage, open_storage

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (40, 60, 220), "white": (250, 250, 250)}
# LayerScale at 1: with its training start of 1e-5 an untrained CLS token would hardly see the picture.
CONFIG = VitConfig(width=24, depth=2, heads=2, patch_size=7, image_size=28, layer_scale=1.0)


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture
def storage() -> Storage:
    return open_storage()


@pytest.fixture
def place(storage: Storage, tmp_path: Path) -> Workplace:
    return Workplace(storage, tmp_path / "scratch", torch.device("cpu"), lambda *_: None)


@pytest.fixture
def encoder() -> VitEncoder:
    return random_encoder(CONFIG, 28, 0, torch.device("cpu"))


def png(colour: str, side: int = 28) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), COLOURS[colour]).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def questions(tmp_path: Path) -> Callable[[str, int], str]:
    """Writes `{name}.jsonl` with `count` questions about pictures of one colour; gives its URL."""

    def write(name: str, count: int) -> str:
        folder = tmp_path / "vqa"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        lines = []
        for number in range(count):
            colour = list(COLOURS)[number % len(COLOURS)]
            (folder / "images" / f"{colour}.png").write_bytes(png(colour))
            lines.append(
                {
                    "id": f"{name}-{number}",
                    "image": f"images/{colour}.png",
                    "question": "what colour is it?",
                    "answer": colour,
                    "type": "colour",
                }
            )
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return (folder / f"{name}.jsonl").as_uri()

    return write


@pytest.fixture(scope="session")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real two-layer Llama with random weights and a word tokenizer, in transformers' layout."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unk>", "<end>", "question", "answer", "what", "colour", "is", "it", ":", "?", *COLOURS]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, "<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"\s+"), "removed")
    folder = tmp_path_factory.mktemp("language-model")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="<end>", pad_token="<end>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.2,  # attention that is strong enough for a prefix to steer the answer
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def chat_model(language_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a chat template, which benchmarks need."""
    folder = tmp_path_factory.mktemp("chat") / "model"
    shutil.copytree(language_model, folder)
    template = "{% for message in messages %}question : {{ message['content'] }} {% endfor %}answer :"
    (folder / "chat_template.jinja").write_text(template)
    return folder
