"""Parameters, memory and arithmetic of the vision transformer in `model.vit`, by formula.

What a block keeps for its backward pass follows from its operations; `tests/unit/trainer/planning` holds it against
the tensors that autograd really saves.
"""

from __future__ import annotations

from webssl_trainer.model import VitConfig
from webssl_trainer.planning.precision import STORED, Precision
from webssl_trainer.planning.quantities import Unit

CHANNELS = 3


def sequence(vit: VitConfig, side: int) -> int:
    """Tokens of a square image: patches and the CLS token."""
    rows, columns = vit.grid_of(side, side)
    return rows * columns + 1


def units(vit: VitConfig) -> tuple[Unit, ...]:
    """One unit for each block, then what is around them: patch embedding, tokens, positions, last norm."""
    width, hidden = vit.width, vit.mlp_hidden
    hidden_biases = (_mlp_matrices(vit) - 1) * hidden
    vectors = 4 * width + 4 * width + hidden_biases + width  # norms; biases of qkv, proj, MLP
    if vit.layer_scale is not None:
        vectors += 2 * width
    block = vit.block_weights
    patch = CHANNELS * vit.patch_size**2 * width
    positions = (1 + vit.grid_size**2) * width if vit.position == "learned" else 0
    around = patch + width + width + positions + 2 * width + (width if vit.mask_token else 0)
    blocks = tuple(Unit(f"blocks.{i}", block + vectors, block) for i in range(vit.depth))
    return (*blocks, Unit("around", around, patch))


def saved_by_blocks(vit: VitConfig, tokens: int, precision: Precision, drop_path: float) -> int:
    """Bytes kept for the backward pass by all blocks for so many tokens, without parameters.

    On average over the draws of stochastic depth: images that drop a branch are left out of it.

    Per token, D width, H hidden: both norms keep what they read and the matrices after them what they read
    (2 D each); attention keeps q, k, v, its output and one number per head (4 D); the projection reads a copy (D);
    LayerScale keeps what it scales (2 D); SwiGLU keeps both halves, silu of one and the product (4 H), a GELU MLP
    both sides of the GELU (2 H).
    """
    width, compute = vit.width, precision.compute
    scaled = 2 * width if vit.layer_scale is not None else 0
    mlp = (4 if vit.mlp == "swiglu" else 2) * vit.mlp_hidden
    per_token = compute * (2 * width + 4 * width + width + scaled + mlp) + STORED * vit.heads
    kept = round(tokens * (1 - drop_path))
    return vit.depth * (kept * per_token + 2 * saved_by_norm(vit.width, kept, precision))


def saved_by_norm(width: int, tokens: int, precision: Precision) -> int:
    """Bytes that a norm keeps: what it reads, mean and deviation."""
    return tokens * (precision.residual * width + 2 * STORED)


def passing_in_block(vit: VitConfig, tokens: int, precision: Precision) -> int:
    """Bytes that come and go in the backward pass of one block: gradients of the MLP's inner tensors and of its ends."""
    inner = (5 if vit.mlp == "swiglu" else 2) * vit.mlp_hidden
    return tokens * (precision.compute * inner + 3 * precision.residual * vit.width)


def passing_in_frozen_block(vit: VitConfig, tokens: int, precision: Precision) -> int:
    """Bytes that come and go in a forward pass without autograd: the stream, its norm and the MLP's inner tensors."""
    inner = (4 if vit.mlp == "swiglu" else 2) * vit.mlp_hidden
    return tokens * (precision.compute * inner + 2 * precision.residual * vit.width)


def pixels(images: int, side: int) -> int:
    """Numbers in square images."""
    return images * CHANNELS * side**2


def patch_flops(vit: VitConfig, side: int) -> float:
    """FLOP of one image's patch embedding."""
    return 2.0 * CHANNELS * side**2 * vit.width


def _mlp_matrices(vit: VitConfig) -> int:
    return 3 if vit.mlp == "swiglu" else 2
