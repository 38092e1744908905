"""A frozen causal language model with what a suite needs of it: text to embeddings, logits, greedy answers.

Shape letters: B sequences, P and L positions before and of an input, H width of the embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from webssl_trainer.errors import UserError


@dataclass
class Past:
    """What a model has read already, row by row, and reads on from.

    cache: transformers' keys and values. mask: (B, P), 1 for real positions (rows are padded on the left). lengths: (B,) how many.
    """

    cache: Any
    mask: Tensor
    lengths: Tensor

    def keep(self, rows: list[int]) -> None:
        """Forget all rows but these, in place."""
        chosen = torch.tensor(rows, device=self.mask.device)
        self.cache.batch_select_indices(chosen)
        self.mask, self.lengths = self.mask[chosen], self.lengths[chosen]


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

    def embed(self, tokens_BL: Tensor) -> Tensor:
        """int64 (B, L) token numbers -> (B, L, H)."""
        found: Tensor = self.embedding(tokens_BL.to(self.device))
        return found

    def logits(self, past: Past, inputs_BLH: Tensor, mask_BL: Tensor, wanted_BL: Tensor) -> Tensor:
        """Logits behind the positions in `wanted_BL` (bool), row by row: (number wanted, vocabulary), float32.

        past: what stands before the inputs; the call appends them to it. mask_BL: 1 for real positions, which come first.
        The vocabulary is as wide as the rest of a small model, so it is computed where it is needed only.
        """
        positions_BL = past.lengths[:, None] + torch.arange(inputs_BLH.shape[1], device=self.device)
        past.mask = torch.cat([past.mask, mask_BL.to(past.mask)], dim=1)
        hidden_BLH = self.model.base_model(
            inputs_embeds=inputs_BLH,
            attention_mask=past.mask,
            position_ids=positions_BL,
            past_key_values=past.cache,
            use_cache=True,
        ).last_hidden_state
        past.lengths = past.lengths + mask_BL.sum(1).to(past.lengths)
        logits: Tensor = self.model.get_output_embeddings()(hidden_BLH[wanted_BL])
        return logits.float()

    @torch.inference_mode()
    def greedy(self, past: Past, inputs_BLH: Tensor, most: int, mask_BL: Tensor | None = None) -> list[str]:
        """The likeliest continuation of each row, token by token, up to `end` or `most` tokens.

        Args:
            past: what stands before the inputs; it is used up.
            inputs_BLH: embeddings.
            most: tokens of an answer at the most.
            mask_BL: 1 for real positions, which come first; None when no row has padding.
        """
        answers: list[list[int]] = [[] for _ in inputs_BLH]
        live, ended = list(range(len(answers))), set[int]()
        mask_BL = _ones(inputs_BLH) if mask_BL is None else mask_BL
        for _ in range(most):
            wanted_BL = mask_BL.cumsum(1).mul(mask_BL) == mask_BL.sum(1, keepdim=True)
            next_B = self.logits(past, inputs_BLH, mask_BL, wanted_BL.to(self.device)).argmax(-1)
            for row, token in zip(live, next_B.tolist(), strict=True):
                if token == self.end:
                    ended.add(row)
                elif row not in ended:
                    answers[row].append(token)
            going = [place for place, row in enumerate(live) if row not in ended]
            if not going:
                break
            # Copying keys and values pays only when it rids the batch of many rows that have ended.
            if 2 * len(going) <= len(live):
                past.keep(going)
                next_B, live = next_B[going], [live[place] for place in going]
            inputs_BLH = self.embed(next_B[:, None])
            mask_BL = _ones(inputs_BLH)
        texts: list[str] = self.tokenizer.batch_decode(answers, skip_special_tokens=True)
        return texts


def _ones(inputs_BLH: Tensor) -> Tensor:
    return torch.ones(inputs_BLH.shape[:2], dtype=torch.int64, device=inputs_BLH.device)


def load_language_model(
    folder: Path, device: torch.device, dtype: torch.dtype | None = None
) -> LanguageModel:
    """Load from a folder in transformers' layout; nothing is looked up elsewhere.

    dtype: of the weights; None for bfloat16 on a GPU that has it, and float32 on CPUs (measured there: no slower than bfloat16).

    Raises:
        UserError: transformers cannot load it, or its tokenizer has no token that ends a text.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    half = device.type == "cuda" and torch.cuda.is_bf16_supported()
    dtype = dtype or (torch.bfloat16 if half else torch.float32)
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model: Any = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"languageModel {folder} cannot be loaded: {error}") from error
    if tokenizer.eos_token_id is None:
        raise UserError(f"languageModel {folder}: its tokenizer has no end-of-text token; set eos_token")
    model = model.to(device).eval().requires_grad_(False)
    return LanguageModel(model, tokenizer, device, dtype, int(tokenizer.eos_token_id))
