"""MFU, model FLOP utilisation: the share of the devices' peak arithmetic that a training step uses. Pure.

A step's arithmetic is counted with 2 FLOP per multiply-add in two ways:

* **nominal**: a step in which no branch is dropped (`ObjectiveConfig.sample_flops`). What other code bases report, and what
  speed over the same schedule compares by: skipping branches for speed makes it larger.
* **adjusted**: what is really computed, on average. Stochastic depth draws each branch of each image with probability
  `drop rate` on its own, and an image that drops a branch is left out of it; so of those branches' arithmetic the share
  `drop rate` is taken off (`ObjectiveConfig.dropped_flops`). This is how busy the devices are with useful work.

In both, only what the gradient needs counts: work that is done again (activation checkpointing, gradient caching) does
not, nor do patches that are hidden from MAE's encoder, which it never sees.
"""

from __future__ import annotations

NOMINAL, ADJUSTED = "nominal", "adjusted"

_PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "B200": 2250e12}
"""Dense bf16 FLOP/s by a part of the device's name (NVIDIA data sheets)."""


def peak_flops(device_name: str) -> float:
    """Peak bf16 FLOP/s of a device by its name; 0 when unknown (all CPUs)."""
    return next((peak for part, peak in _PEAK_BF16.items() if part in device_name), 0.0)


def step_flops(whole: float, dropped: float) -> dict[str, float]:
    """FLOP of a training step per sample by kind.

    Args:
        whole: when no branch is dropped, `ObjectiveConfig.sample_flops`.
        dropped: what stochastic depth saves of it on average, `ObjectiveConfig.dropped_flops`.
    """
    return {NOMINAL: whole, ADJUSTED: whole - dropped}


def utilisation(flops: float, samples_per_second: float, peak: float) -> float:
    """MFU in [0, 1] of a step of `flops` per sample; 0 when the peak (of all devices together, FLOP/s) is unknown."""
    return flops * samples_per_second / peak if peak > 0 else 0.0
