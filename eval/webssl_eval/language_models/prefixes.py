"""Texts at the begin of sequences, read once by a frozen model however often they come.

Shape letters: B sequences, P positions, K heads of keys and values, d width of a head.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from webssl_eval.language_models.load import LanguageModel, Past

KEPT = 2048
"""Texts whose keys and values are kept, the last used ones (about half a MiB each for a small model and a short question)."""

KeysValues = list[tuple[Tensor, Tensor]]
"""Of each layer, (K, P, d) each."""


class Prefixes:
    """Keys and values of texts in front of the image. Since the model is frozen, they depend on the text alone."""

    def __init__(self, model: LanguageModel, kept: int = KEPT) -> None:
        self._model, self._kept_most = model, kept
        self._kept: OrderedDict[tuple[int, ...], KeysValues] = OrderedDict()

    def past(self, texts: Sequence[Sequence[int]]) -> Past:
        """The model after reading `texts` (token numbers, at least one each), padded on the left to the longest."""
        keys = [tuple(text) for text in texts]
        found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = sorted({key for key in keys if key not in found}, key=len)
        found.update(zip(missing, self._read(missing), strict=True))
        self._keep(found)
        longest = max(map(len, keys))
        rows = [found[key] for key in keys]
        cache = _cache(self._model.model.config)
        for layer in range(len(rows[0])):
            pair = [torch.stack([_padded(row[layer][side], longest) for row in rows]) for side in (0, 1)]
            cache.update(pair[0], pair[1], layer)
        device = self._model.device
        lengths_B = torch.tensor([len(key) for key in keys], device=device)
        mask_BP = (torch.arange(longest, device=device) >= longest - lengths_B[:, None]).long()
        return Past(cache, mask_BP, lengths_B)

    @torch.no_grad()
    def _read(self, texts: Sequence[tuple[int, ...]]) -> list[KeysValues]:
        """Keys and values of texts, ordered by length so that those of one length are read together."""
        starts = [0, *(i for i in range(1, len(texts)) if len(texts[i]) != len(texts[i - 1])), len(texts)]
        result: list[KeysValues] = []
        for start, end in pairwise(starts):
            if start == end:
                continue
            cache = _cache(self._model.model.config)
            tokens_BP = torch.tensor(texts[start:end], device=self._model.device)
            self._model.model.base_model(input_ids=tokens_BP, past_key_values=cache, use_cache=True)
            layers = [(layer.keys, layer.values) for layer in cache.layers]
            result += [[(keys[row], values[row]) for keys, values in layers] for row in range(end - start)]
        return result

    def _keep(self, found: dict[tuple[int, ...], KeysValues]) -> None:
        for key, value in found.items():
            self._kept[key] = value
            self._kept.move_to_end(key)
        while len(self._kept) > self._kept_most:
            self._kept.popitem(last=False)


def _cache(config: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=config)


def _padded(values_KPd: Tensor, length: int) -> Tensor:
    return torch.nn.functional.pad(values_KPd, (0, 0, length - values_KPd.shape[1], 0))
