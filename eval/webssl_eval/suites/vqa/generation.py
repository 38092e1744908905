"""Greedy answers to many requests: batches of like length, each picture read once for all the questions about it.

Shape letters: B requests, V visual tokens, P and L positions, H width of the language model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor
from webssl_trainer.errors import UserError

from webssl_eval.benchmarks.question import Picture
from webssl_eval.language_models import LanguageModel
from webssl_eval.language_models.attention import grouped
from webssl_eval.language_models.prefixes import KeysValues, joined, read_embeddings
from webssl_eval.suites.vqa.requests import Piece, Request, answering_order

ROWS = 32
_ROOM = 32
Visual = Callable[[Sequence[Picture]], Tensor]
"""Projected visual tokens of pictures, (B, V, H)."""


class Generation:
    """Answers requests. What the model made of the last batch's heads is kept for the next one.

    Args:
        model: the language model.
        visual: visual tokens of pictures.
        rows: requests that are answered together; halved, for good, whenever the memory does not suffice.
    """

    def __init__(self, model: LanguageModel, visual: Visual, rows: int = ROWS) -> None:
        self._model, self._visual, self.rows = model, visual, rows
        self._heads: dict[tuple[Piece, ...], KeysValues] = {}
        self.heads_read = 0
        """How many heads the model has read."""

    def answer(
        self, requests: Sequence[Request], most: int, progress: Callable[[int, int], None]
    ) -> list[str]:
        """The answer to each request, up to `most` tokens; in order, and as each would be answered alone.

        Raises:
            UserError: a request does not fit the model's context, or alone does not fit the memory.
        """
        answers = [""] * len(requests)
        order = answering_order(requests)
        start = 0
        while start < len(order):
            chosen = order[start : start + self.rows]
            texts = self._attempt([requests[number] for number in chosen], most)
            if texts is None:
                self._halve(len(chosen))
                continue
            for number, text in zip(chosen, texts, strict=True):
                answers[number] = text
            start += len(chosen)
            progress(start, len(order))
        self._heads.clear()
        return answers

    def _attempt(self, requests: Sequence[Request], most: int) -> list[str] | None:
        """Answers, or None when the memory did not suffice."""
        try:
            return self._answered(requests, most)
        except (RuntimeError, MemoryError) as error:
            if not is_memory(error):
                raise
        # Out of the handler: until there the error holds the tensors of the failed batch.
        return None

    def _halve(self, rows: int) -> None:
        self._heads.clear()
        if rows == 1:
            raise UserError(
                f"one question alone does not fit the memory of {self._model.device}; give the evaluation pod more, or "
                "lower visualTokens, or name a smaller languageModel"
            )
        self.rows = rows // 2
        if self._model.device.type == "cuda":
            torch.cuda.empty_cache()

    @torch.inference_mode()
    def _answered(self, requests: Sequence[Request], most: int) -> list[str]:
        heads = list(dict.fromkeys(request.head for request in requests))
        self._heads = {head: kept for head, kept in self._heads.items() if head in heads}
        self._read([head for head in heads if head not in self._heads])
        read = [self._heads[request.head] for request in requests]
        longest = max(len(request.tail) for request in requests)
        self._check_context(max(keys.shape[1] for (keys, _), *_ in read) + longest + most)
        past = joined(self._model, read, longest + min(most, _ROOM))
        padded_BL = torch.full((len(requests), longest), self._model.end)
        mask_BL = torch.zeros(len(requests), longest, dtype=torch.int64)
        for row, request in enumerate(requests):
            padded_BL[row, : len(request.tail)] = torch.tensor(request.tail)
            mask_BL[row, : len(request.tail)] = 1
        inputs_BLH = self._model.embed(padded_BL)
        with grouped(self._model.model):
            return self._model.greedy(past, inputs_BLH, most, mask_BL.to(self._model.device))

    def _read(self, heads: Sequence[tuple[Piece, ...]]) -> None:
        """Read heads, those of one length together."""
        by_length: dict[int, list[tuple[tuple[Piece, ...], Tensor]]] = {}
        for head, embedded_PH in zip(heads, self._embedded(heads), strict=True):
            by_length.setdefault(len(embedded_PH), []).append((head, embedded_PH))
        for found in by_length.values():
            read = read_embeddings(self._model, torch.stack([embedded for _, embedded in found]))
            self._heads.update(zip([head for head, _ in found], read, strict=True))
        self.heads_read += len(heads)

    def _embedded(self, heads: Sequence[tuple[Piece, ...]]) -> Iterator[Tensor]:
        """Embeddings of heads, (P, H) each."""
        pictures = list(
            dict.fromkeys(piece for head in heads for piece in head if not isinstance(piece, tuple))
        )
        visual = dict(zip(pictures, self._visual(pictures), strict=True)) if pictures else {}
        for head in heads:
            pieces = [
                self._model.embed(torch.tensor(piece)) if isinstance(piece, tuple) else visual[piece]
                for piece in head
            ]
            yield torch.cat([piece.to(self._model.dtype) for piece in pieces])

    def _check_context(self, positions: int) -> None:
        context = getattr(self._model.model.config, "max_position_embeddings", None)
        if context is not None and positions > context:
            raise UserError(
                f"a question with its answer takes {positions} positions, the languageModel's context is {context}; "
                "lower visualTokens, or name a model with a longer context"
            )


def is_memory(error: Exception) -> bool:
    """Whether an error says that memory did not suffice; torch has no type of its own for it on CPUs."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "can't allocate memory" in str(error) or "not enough memory" in str(error)
