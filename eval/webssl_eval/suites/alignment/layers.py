"""Every layer of both models: CLS tokens of every vision block, mean hidden states of every language layer.

Shape letters: N things, B of a batch, P token positions, L layers, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from webssl_trainer.errors import UserError

from webssl_eval.encoders import Encoder
from webssl_eval.features import chunked, stacked
from webssl_eval.language_models import LanguageModel
from webssl_eval.suites.alignment.pairs import Pairs

# All patches of all layers are in memory at once.
_IMAGES_AT_ONCE = 16
_TEXTS_AT_ONCE = 16


def vision_layers(encoder: Encoder, pairs: Pairs, progress: Callable[[int, int], None]) -> Tensor:
    """The CLS token behind every block, before the final norm, float32 (N, L, D)."""
    found: list[Tensor] = []
    done = 0
    for chunk in chunked(pairs.pixels(), _IMAGES_AT_ONCE):
        outputs = encoder.encode_layers(stacked(encoder, chunk), range(encoder.depth), normed=False)
        found.append(torch.stack([output.cls for output in outputs], dim=1))
        done += len(chunk)
        progress(done, len(pairs))
    return torch.cat(found)


@torch.inference_mode()
def language_layers(
    model: LanguageModel, texts: Sequence[str], most: int, progress: Callable[[int, int], None]
) -> Tensor:
    """Embeddings and the output of every layer, averaged over the tokens of each text, float32 (N, L, D).

    Args:
        model: the language model.
        texts: at least one.
        most: tokens of a text that are read.

    Raises:
        UserError: a text has no token.
    """
    tokens = [model.tokens(text)[:most] for text in texts]
    empty = next((text for text, numbers in zip(texts, tokens, strict=True) if not numbers), None)
    if empty is not None:
        raise UserError(
            f"the language model's tokenizer has no token for the caption {empty[:60]!r}; rewrite it"
        )
    # Texts of like length share a batch, so that little is padded.
    order = sorted(range(len(texts)), key=lambda number: len(tokens[number]))
    rows: list[Tensor] = [torch.empty(0)] * len(texts)
    for start in range(0, len(order), _TEXTS_AT_ONCE):
        chunk = order[start : start + _TEXTS_AT_ONCE]
        means_BLD = _mean_states(model, [tokens[number] for number in chunk])
        for number, row_LD in zip(chunk, means_BLD, strict=True):
            rows[number] = row_LD
        progress(start + len(chunk), len(texts))
    return torch.stack(rows)


def _mean_states(model: LanguageModel, texts: Sequence[Sequence[int]]) -> Tensor:
    """Mean over real tokens of every hidden state, float32 on the CPU (B, L, D)."""
    longest = max(map(len, texts))
    ids_BP = torch.zeros(len(texts), longest, dtype=torch.int64)
    mask_BP = torch.zeros_like(ids_BP)
    for row, text in enumerate(texts):
        ids_BP[row, : len(text)] = torch.tensor(text)
        mask_BP[row, : len(text)] = 1
    mask_BP = mask_BP.to(model.device)
    states = model.model.base_model(
        input_ids=ids_BP.to(model.device), attention_mask=mask_BP, output_hidden_states=True, use_cache=False
    ).hidden_states
    weight_BP1 = mask_BP[:, :, None].float()
    means = [(state.float() * weight_BP1).sum(1) / weight_BP1.sum(1) for state in states]
    return torch.stack(means, dim=1).cpu()
