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

    On average over the draws of stochastic depth: images that drop a branch are left out of it. With full
    recomputation only what each block reads is kept, of all images.
    """
    if precision.recompute == "full":
        return vit.depth * tokens * precision.residual * vit.width
    kept = round(tokens * (1 - drop_path))
    return vit.depth * _saved_by_block(vit, kept, precision, again=precision.recompute == "selective")


def _saved_by_block(vit: VitConfig, tokens: int, precision: Precision, again: bool) -> int:
    """Bytes that one block keeps of tokens that run both branches.

    Per token, D width, H hidden: both norms keep what they read and the matrices after them what they read
    (2 D each); attention keeps q, k, v, its output and one number per head (4 D); the projection reads a copy (D);
    LayerScale keeps what it scales (2 D); SwiGLU keeps both halves, silu of one and the product (4 H), a GELU MLP
    both sides of the GELU (2 H). Where the cheap part of it is computed `again`, only what the norms read is kept
    of them, without mean and deviation, and of the MLP what its first matrix gives (SwiGLU 2 H, GELU H).
    """
    width, compute = vit.width, precision.compute
    scaled = 2 * width if vit.layer_scale is not None else 0
    hidden = (2 if vit.mlp == "swiglu" else 1) * vit.mlp_hidden
    normed = 0 if again else 2 * width
    per_token = compute * (normed + 4 * width + width + scaled + (hidden if again else 2 * hidden))
    norm = tokens * precision.residual * width if again else saved_by_norm(width, tokens, precision)
    return tokens * (per_token + STORED * vit.heads) + 2 * norm


def saved_by_norm(width: int, tokens: int, precision: Precision) -> int:
    """Bytes that a norm keeps: what it reads, mean and deviation."""
    return tokens * (precision.residual * width + 2 * STORED)


def passing_in_block(vit: VitConfig, tokens: int, precision: Precision) -> int:
    """Bytes that come and go in the backward pass of one block: gradients of the MLP's inner tensors and of its ends,
    and what was not kept and is computed again: with full recomputation all that a block keeps else."""
    swiglu = vit.mlp == "swiglu"
    inner = tokens * precision.compute * (5 if swiglu else 2) * vit.mlp_hidden
    ends = tokens * 3 * precision.residual * vit.width
    if precision.recompute == "selective":
        return inner + ends + tokens * precision.compute * (2 if swiglu else 1) * vit.mlp_hidden
    if precision.recompute == "full":
        return inner + ends + _saved_by_block(vit, tokens, precision, again=False)
    return inner + ends


def last_in_backward(vit: VitConfig, tokens: int, precision: Precision, drop_path: float) -> int:
    """Bytes there are when the backward pass comes to the first block: what it kept, and what comes and goes."""
    return saved_by_blocks(vit, tokens, precision, drop_path) // vit.depth + passing_in_block(
        vit, tokens, precision
    )


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
