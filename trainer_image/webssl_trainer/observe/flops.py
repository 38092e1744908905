"""The device's side of MFU, the share of its peak arithmetic that a training step uses. Pure.

The step's side is `ObjectiveConfig.sample_flops`.
"""

from __future__ import annotations

_PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "B200": 2250e12}
"""Dense bf16 FLOP/s by a part of the device's name (NVIDIA data sheets)."""


def peak_flops(device_name: str) -> float:
    """Peak bf16 FLOP/s of a device by its name; 0 when unknown (all CPUs)."""
    return next((peak for part, peak in _PEAK_BF16.items() if part in device_name), 0.0)
