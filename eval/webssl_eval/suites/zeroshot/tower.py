"""The text tower beside a locked encoder, with CLIP's own parts.

Shape letters: B images or texts, L tokens, D width of an image's reading, E width of the shared space.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from webssl_trainer.model import Parallel
from webssl_trainer.objectives.clip import TextConfig
from webssl_trainer.objectives.clip.network import Temperature
from webssl_trainer.objectives.clip.text import Linear, TextTower
from webssl_trainer.objectives.clip.tokenizer import Tokenizer

_FACTOR, _SIGMOID_BIAS = 10.0, -10.0
_TEXTS_AT_ONCE = 512


class LockedTower(nn.Module):
    """Readings of images and tokens of texts to one space.

    Readings are standardised by the moments of the training images, which belong to the locked side. Without an image
    projection the shared space is the encoder's own, and only the text side learns.

    Args:
        config: the text tower.
        vocabulary: number of tokens.
        width: D.
        projection: whether a linear map of the image side is learned; then E is the text tower's width, else D.
        loss: `infonce` or `siglip`, which has a bias.
    """

    def __init__(self, config: TextConfig, vocabulary: int, width: int, projection: bool, loss: str) -> None:
        super().__init__()
        shared = config.width if projection else width
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.text = TextTower(config, vocabulary)
        self.text_projection = Linear(config.width, shared, config.width**-0.5, bias=False)
        self.image_projection = (
            Linear(width, shared, width**-0.5, bias=False) if projection else nn.Identity()
        )
        self.temperature = Temperature(math.log(_FACTOR), _SIGMOID_BIAS if loss == "siglip" else None)

    def images(self, readings_BD: Tensor) -> Tensor:
        """Readings of images -> unit vectors, fp32 (B, E)."""
        mean, spread = self.get_buffer("mean"), self.get_buffer("spread")
        return F.normalize(self.image_projection((readings_BD - mean) / spread).float(), dim=-1)

    def texts(self, tokens_BL: Tensor, last_B: Tensor) -> Tensor:
        """Tokens as `TextTower.forward` takes them -> unit vectors, fp32 (B, E)."""
        return F.normalize(self.text_projection(self.text(tokens_BL, last_B)).float(), dim=-1)


def build_tower(
    config: TextConfig,
    vocabulary: int,
    moments: tuple[Tensor, Tensor],
    projection: bool,
    loss: str,
    parallel: Parallel,
    seed: int,
) -> LockedTower:
    """A tower with its initial values, a function of the seed alone, on the device of `parallel`."""
    mean, spread = moments
    with torch.device("meta"):
        tower = LockedTower(config, vocabulary, len(mean), projection, loss)
    parallel.place(tower, list(tower.text.blocks), seed)
    tower.get_buffer("mean").copy_(mean)
    tower.get_buffer("spread").copy_(spread)
    return tower


@torch.inference_mode()
def text_features(
    tower: LockedTower, tokenizer: Tokenizer, texts: Sequence[str], parallel: Parallel
) -> Tensor:
    """Unit vectors of texts, fp32 (B, E) on the CPU, some at a time."""
    parts = [torch.empty(0, tower.text_projection.out_features)]
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        tokens, last = tokenizer(texts[start : start + _TEXTS_AT_ONCE])
        with parallel.precision():
            found = tower.texts(tokens.to(parallel.device), last.to(parallel.device))
        parts.append(found.cpu())
    return torch.cat(parts)


@torch.inference_mode()
def image_features(tower: LockedTower, readings_BD: Tensor, parallel: Parallel) -> Tensor:
    """Unit vectors of readings, fp32 (B, E) on the CPU."""
    found = [
        tower.images(part.to(parallel.device)).cpu() for part in torch.split(readings_BD, _TEXTS_AT_ONCE)
    ]
    return torch.cat(found)
