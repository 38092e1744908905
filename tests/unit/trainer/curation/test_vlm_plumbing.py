"""The plumbing of the vision-language scorer, with a tiny LLaVA of random weights: its answers mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)
from webssl_api.curation import VlmScorer
from webssl_trainer.curation.interface import Picture
from webssl_trainer.curation.scorers.vlm import make
from webssl_trainer.errors import UserError
from webssl_trainer.storage import Storage

from .conftest import page, photo

WORDS = ["<pad>", "<unk>", "<image>", "USER", "ASSISTANT", ":", "yes", "no", "Yes", "No", "text", "?"]


def save_model(folder: Path, words: list[str] = WORDS) -> Path:
    """A LLaVA with two layers of width 16 in each part."""
    split = Tokenizer(
        models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>")
    )
    split.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=split, pad_token="<pad>", unk_token="<unk>", additional_special_tokens=["<image>"]
    )
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(**small, image_size=28, patch_size=14),
            text_config=LlamaConfig(**small, vocab_size=len(words), num_key_value_heads=2),
            image_token_index=2,
        )
    ).save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        image_token="<image>",
    ).save_pretrained(folder)
    return folder


def test_random_weights_answer_both_questions_the_same_in_any_batch(tmp_path: Path, storage: Storage) -> None:
    folder = save_model(tmp_path / "model")
    scorer = make(VlmScorer(model=f"file://{folder}", batch_size=2), storage, tmp_path)
    pictures = [Picture(b"", image, image.size) for image in (page(3), photo(1), photo(2))]
    together = scorer.score(pictures)
    alone = [scorer.score([picture])[0] for picture in pictures]
    assert len({row["text_light_yes"] for row in together}) == 3
    for a, b in zip(together, alone, strict=True):
        assert list(a) == [name for name, _ in scorer.columns]
        assert a["text_light_yes"] == pytest.approx(b["text_light_yes"], abs=1e-5)
        assert a["text_light"] == (a["text_light_yes"] >= 0.5)
        assert 0 < a["text_heavy_yes"] < 1


def test_the_identity_changes_with_the_model_and_the_questions(tmp_path: Path, storage: Storage) -> None:
    folder = save_model(tmp_path / "model")
    same = VlmScorer(model=f"file://{folder}")
    other = same.model_copy(update={"light_question": "Is there text?"})
    first, second = (make(settings, storage, tmp_path).identity for settings in (same, other))
    (folder / "extra.txt").write_text("changed")
    third = make(same, storage, tmp_path).identity
    assert first != second
    assert first["model"] != third["model"]


def test_a_model_on_another_storage_is_copied_here(tmp_path: Path, storage: Storage) -> None:
    folder = save_model(tmp_path / "model")
    for file in folder.iterdir():
        storage.put(f"memory:///models/tiny/{file.name}", file.read_bytes())
    settings = VlmScorer(model=f"file://{folder}")
    elsewhere = settings.model_copy(update={"model": "memory:///models/tiny"})
    assert make(elsewhere, storage, tmp_path).identity == make(settings, storage, tmp_path).identity


def test_a_folder_without_a_model_or_a_model_without_yes_is_refused(tmp_path: Path, storage: Storage) -> None:
    (tmp_path / "empty").mkdir()
    for folder, says in (
        (tmp_path / "none", "does not exist"),
        (tmp_path / "empty", "is no image-text-to-text model"),
        (
            save_model(tmp_path / "mute", [word for word in WORDS if word.lower() != "yes"]),
            "has no token for yes",
        ),
    ):
        with pytest.raises(UserError, match=says):
            make(VlmScorer(model=f"file://{folder}"), storage, tmp_path)
