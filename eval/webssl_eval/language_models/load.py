"""A frozen causal language model with what a suite needs of it: text to embeddings, logits, greedy answers.

Shape letters: B sequences, L positions, H width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from webssl_trainer.errors import UserError


@dataclass(frozen=True)
class LanguageModel:
    """A causal language model and its tokenizer. Nothing of it is trained.

    Attributes:
        model: transformers' model, frozen, in eval mode.
        tokenizer: its tokenizer.
        end: token that ends an answer.
    """

    model: Any
    tokenizer: Any
    device: torch.device
    dtype: torch.dtype
    end: int

    @property
    def width(self) -> int:
        """Width H of its embeddings."""
        return int(self.embedding.weight.shape[1])

    @property
    def embedding(self) -> torch.nn.Embedding:
        """The table of its input embeddings."""
        table: torch.nn.Embedding = self.model.get_input_embeddings()
        return table

    def embedding_scale(self) -> float:
        """Root mean square of its embeddings' entries."""
        return float(self.embedding.weight.float().square().mean().sqrt())

    def tokens(self, text: str) -> list[int]:
        """Token numbers of a text, without special tokens."""
        numbers: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return numbers

    def embed(self, tokens: Sequence[int]) -> Tensor:
        """(L,) token numbers -> (L, H)."""
        found: Tensor = self.embedding(torch.tensor(list(tokens), device=self.device))
        return found

    def logits(self, inputs_BLH: Tensor, mask_BL: Tensor, wanted_BL: Tensor) -> Tensor:
        """Logits behind the positions in `wanted_BL` (bool), row by row: (number wanted, vocabulary), float32.

        The vocabulary is as wide as the rest of a small model, so it is computed where it is needed only.
        """
        hidden_BLH = self.model.base_model(
            inputs_embeds=inputs_BLH, attention_mask=mask_BL, use_cache=False
        ).last_hidden_state
        logits: Tensor = self.model.get_output_embeddings()(hidden_BLH[wanted_BL])
        return logits.float()

    @torch.inference_mode()
    def greedy(self, inputs_BLH: Tensor, mask_BL: Tensor, most: int) -> list[str]:
        """The likeliest continuation of each left-padded row, token by token, up to `end` or `most` tokens."""
        numbers = self.model.generate(
            inputs_embeds=inputs_BLH,
            attention_mask=mask_BL,
            max_new_tokens=most,
            do_sample=False,
            num_beams=1,
            eos_token_id=self.end,
            pad_token_id=self.end,
        )
        texts: list[str] = self.tokenizer.batch_decode(numbers, skip_special_tokens=True)
        return texts


def load_language_model(folder: Path, device: torch.device) -> LanguageModel:
    """Load from a folder in transformers' layout; nothing is looked up elsewhere.

    Weights are bfloat16 on a GPU that has it, and float32 on CPUs (measured there: no slower than bfloat16).

    Raises:
        UserError: transformers cannot load it, or its tokenizer has no token that ends a text.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    half = device.type == "cuda" and torch.cuda.is_bf16_supported()
    dtype = torch.bfloat16 if half else torch.float32
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"languageModel {folder} cannot be loaded: {error}") from error
    if tokenizer.eos_token_id is None:
        raise UserError(f"languageModel {folder}: its tokenizer has no end-of-text token; set eos_token")
    model = model.to(device).eval().requires_grad_(False)
    return LanguageModel(model, tokenizer, device, dtype, int(tokenizer.eos_token_id))
