"""Arithmetic of a training step, for the share of the device's peak that is used (MFU). Pure."""

from __future__ import annotations

from webssl_trainer.data import CropSpec
from webssl_trainer.model import VitConfig

_PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "B200": 2250e12}
"""Dense bf16 FLOP/s by a part of the device's name (NVIDIA data sheets)."""


def forward_flops(vit: VitConfig, tokens: int) -> float:
    """FLOP of one image's forward pass: 2 per multiply-add of the blocks' matrices and of attention."""
    matrices = 4 * vit.width**2 + 3 * vit.width * vit.mlp_hidden
    attention = 2 * tokens * vit.width
    return 2.0 * vit.depth * tokens * (matrices + attention)


def sample_flops(vit: VitConfig, crops: CropSpec) -> float:
    """FLOP per sample: the student's forward and backward (3 x forward) on all crops, the teacher's forward on the global ones.

    Heads are left out, so the ratio is a lower bound.
    """
    global_tokens = (crops.global_size // vit.patch_size) ** 2 + 1
    local_tokens = (crops.local_size // vit.patch_size) ** 2 + 1
    large = crops.n_global * forward_flops(vit, global_tokens)
    small = crops.n_local * forward_flops(vit, local_tokens)
    return 3 * (large + small) + large


def peak_flops(device_name: str) -> float:
    """Peak bf16 FLOP/s of a device by its name; 0 when unknown (all CPUs)."""
    return next((peak for part, peak in _PEAK_BF16.items() if part in device_name), 0.0)
