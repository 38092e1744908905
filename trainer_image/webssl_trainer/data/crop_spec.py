"""The numbers of a multi-crop recipe. Defaults are DINOv2's (see the paper facts, ViT-g/14 configuration)."""

from __future__ import annotations

from dataclasses import dataclass, field

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Photometric:
    """Colour and blur of one kind of crop, made on the device; a field is a probability unless said otherwise.

    Attributes:
        jitter: probability of the colour jitter.
        brightness, contrast, saturation: largest relative change, as a fraction.
        hue: largest shift, as a fraction of the colour circle.
        grey: probability of dropping colour.
        blur: probability of a Gaussian blur.
        blur_sigma: lowest and highest standard deviation of the blur, in pixels.
        solarise: probability of inverting all values of 128 and more.
    """

    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grey: float = 0.2
    blur: float = 0.5
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    solarise: float = 0.0


def dino_globals() -> tuple[Photometric, ...]:
    """The first global crop is always blurred; the second rarely, and sometimes solarised."""
    return (Photometric(blur=1.0), Photometric(blur=0.1, solarise=0.2))


@dataclass(frozen=True)
class CropSpec:
    """Crops of one image.

    Attributes:
        global_size, local_size: side of the crops in pixels.
        n_global, n_local: how many of each; n_local may be 0.
        global_scale, local_scale: share of the image's area that a crop covers, lowest and highest.
        ratio: width / height of the region that is cut, lowest and highest.
        flip: probability of a horizontal flip.
        photometric_global: photometric part of global crop i is entry i % len; empty for none.
        photometric_local: photometric part of the local crops; None for none.
        mean, std: per-channel normalisation of values in [0, 1].
    """

    global_size: int = 224
    local_size: int = 98
    n_global: int = 2
    n_local: int = 8
    global_scale: tuple[float, float] = (0.32, 1.0)
    local_scale: tuple[float, float] = (0.05, 0.32)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    photometric_global: tuple[Photometric, ...] = field(default_factory=dino_globals)
    photometric_local: Photometric | None = field(default_factory=Photometric)
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
