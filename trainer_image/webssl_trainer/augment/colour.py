"""Changes of colour as functions of tensors, values 0 to 255 in fp32, never rounded in between.

Shape letters: K images of this change, 3 channels (red, green, blue), H, W.
"""

from __future__ import annotations

import torch
from torch import Tensor

WHITE = 255.0
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114


def luma(x_K3HW: Tensor) -> Tensor:
    """Luma of ITU-R BT.601, as Pillow's mode L: (K, 1, H, W)."""
    red, green, blue = x_K3HW.chunk(3, dim=1)
    return (red * _RED).add_(green, alpha=_GREEN).add_(blue, alpha=_BLUE)


def brightened_(x_K3HW: Tensor, weights_K3: Tensor) -> Tensor:
    """In place: every value times the first weight of its image, cut to [0, 255]."""
    return x_K3HW.mul_(weights_K3[:, 0].view(-1, 1, 1, 1)).clamp_(0.0, WHITE)


def blended_(x_K3HW: Tensor, weights_K3: Tensor) -> Tensor:
    """In place: a weighted sum of the image, its luma and its mean luma, cut to [0, 255].

    With weights (f, 0, 0) it changes brightness, (f, 0, 1 - f) contrast, (f, 1 - f, 0) saturation.
    """
    own, of_luma, of_mean = (w.view(-1, 1, 1, 1) for w in weights_K3.unbind(1))
    luma_K1HW = luma(x_K3HW)
    rest = torch.addcmul(luma_K1HW.mean((2, 3), keepdim=True) * of_mean, luma_K1HW, of_luma)
    return x_K3HW.mul_(own).add_(rest).clamp_(0.0, WHITE)


def turned(x_K3HW: Tensor, turns_K: Tensor) -> Tensor:
    """Hue turned by a fraction of the colour circle within (-1, 1); value and saturation of HSV stay."""
    red, green, blue = x_K3HW.chunk(3, dim=1)
    high = torch.maximum(torch.maximum(red, green), blue)
    low = torch.minimum(torch.minimum(red, green), blue)
    span = high - low
    on_green = (blue - red).add_(span, alpha=2.0)
    on_blue = (red - green).add_(span, alpha=4.0)
    sixths = torch.where(red == high, green - blue, torch.where(green == high, on_green, on_blue))
    # A grey pixel has no hue; any will do, since its span is 0.
    hue = sixths.div_(6.0 * span.clamp(min=1e-6)).add_(turns_K.view(-1, 1, 1, 1))
    # Each channel is full within a sixth of its own place on the circle and empty beyond a third. 3 keeps it positive.
    places = 3.0 - torch.arange(3, device=hue.device).view(3, 1, 1) / 3.0
    share = (hue + places).frac_().mul_(6.0).sub_(3.0).abs_().sub_(1.0).clamp_(0.0, 1.0)
    return share.mul_(span).add_(low)


def solarised(x_K3HW: Tensor) -> Tensor:
    """Values of 128 and more inverted. For whole numbers the smaller of x and 255 - x is the same, and has no jump."""
    return torch.minimum(x_K3HW, WHITE - x_K3HW)
