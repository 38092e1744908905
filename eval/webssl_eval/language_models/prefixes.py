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
        return joined(self._model, [found[key] for key in keys])

    @torch.no_grad()
    def _read(self, texts: Sequence[tuple[int, ...]]) -> list[KeysValues]:
        """Keys and values of texts, ordered by length so that those of one length are read together."""
        starts = [0, *(i for i in range(1, len(texts)) if len(texts[i]) != len(texts[i - 1])), len(texts)]
        result: list[KeysValues] = []
        for start, end in pairwise(starts):
            if start == end:
                continue
            tokens_BP = torch.tensor(texts[start:end])
            result += read_embeddings(self._model, self._model.embed(tokens_BP))
        return result

    def _keep(self, found: dict[tuple[int, ...], KeysValues]) -> None:
        for key, value in found.items():
            self._kept[key] = value
            self._kept.move_to_end(key)
        while len(self._kept) > self._kept_most:
            self._kept.popitem(last=False)


@torch.no_grad()
def read_embeddings(model: LanguageModel, inputs_BPH: Tensor) -> list[KeysValues]:
    """Keys and values of sequences of one length, row by row."""
    cache = _cache(model.model.config)
    model.model.base_model(inputs_embeds=inputs_BPH, past_key_values=cache, use_cache=True)
    layers = [(layer.keys, layer.values) for layer in cache.layers]
    return [[(keys[row], values[row]) for keys, values in layers] for row in range(len(inputs_BPH))]


def joined(model: LanguageModel, rows: Sequence[KeysValues], room: int = 0) -> Past:
    """The model after reading one sequence a row, padded on the left to the longest; sequences are copied, and may repeat.

    room: positions to come for which there is space already; not for training, see `RoomyLayer`.
    """
    # transformers takes seconds to import; who only asks for a model's name does without.
    from transformers.cache_utils import DynamicLayer

    from webssl_eval.language_models.roomy import RoomyLayer

    lengths = [row[0][0].shape[1] for row in rows]
    longest = max(lengths)
    cache = _cache(model.model.config)
    for number, layer in enumerate(cache.layers):
        keys, values = (
            torch.stack([_padded(row[number][side], longest, room) for row in rows]) for side in (0, 1)
        )
        if room and type(layer) is DynamicLayer:
            cache.layers[number] = RoomyLayer(keys, values, longest)
        else:
            cache.update(keys[..., :longest, :], values[..., :longest, :], number)
    lengths_B = torch.tensor(lengths, device=model.device)
    mask_BP = (torch.arange(longest, device=model.device) >= longest - lengths_B[:, None]).long()
    return Past(cache, mask_BP, lengths_B)


def _cache(config: Any) -> Any:
    from transformers import DynamicCache

    return DynamicCache(config=config)


def _padded(values_KPd: Tensor, length: int, room: int) -> Tensor:
    return torch.nn.functional.pad(values_KPd, (0, 0, length - values_KPd.shape[1], room))
