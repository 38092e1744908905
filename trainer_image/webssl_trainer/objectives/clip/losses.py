"""The contrastive losses, for some rows of the global batch against all of it.

Shape letters: G samples of the global batch, R rows of it, E embedding width. All in fp32 (or float64). Features
have unit length. A sum over disjoint rows is the sum over their union, so any split gives the same total.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Loss = Callable[[Tensor, Tensor, slice, Tensor], Tensor]


def infonce(images_GE: Tensor, texts_GE: Tensor, rows: slice, temper_2: Tensor) -> Tensor:
    """Cross-entropies of finding an image's caption among all, and a caption's image (Radford et al., "CLIP", 2021).

    temper_2: log of the factor on the cosines; the second number is not used.

    Returns:
        (2,): sums over rows, image to text and text to image.
    """
    scale = temper_2[0].exp()
    matches_R = torch.arange(rows.start, rows.stop, device=images_GE.device)
    found_RG = scale * images_GE[rows] @ texts_GE.T
    sought_RG = scale * texts_GE[rows] @ images_GE.T
    return torch.stack(
        [F.cross_entropy(logits, matches_R, reduction="sum") for logits in (found_RG, sought_RG)]
    )


def siglip(images_GE: Tensor, texts_GE: Tensor, rows: slice, temper_2: Tensor) -> Tensor:
    """Each pair judged by itself as match or not (Zhai et al., "Sigmoid loss for language image pre-training", 2023).

    temper_2: log of the factor on the cosines, and the bias.

    Returns:
        (1,): sum of -log sigmoid(z (scale x y + bias)) over rows of images and all captions, z = 1 or -1.
    """
    logits_RG = temper_2[0].exp() * images_GE[rows] @ texts_GE.T + temper_2[1]
    signs_RG = torch.full_like(logits_RG, -1.0)
    signs_RG.diagonal(rows.start).fill_(1.0)
    return -F.logsigmoid(signs_RG * logits_RG).sum().unsqueeze(0)


TERMS: dict[str, tuple[Loss, dict[str, float]]] = {
    "infonce": (infonce, {"image_to_text": 0.5, "text_to_image": 0.5}),
    "siglip": (siglip, {"sigmoid": 1.0}),
}
"""The loss by its name, and its terms with their weights."""
