"""The CLIP step as one would write it first: what the trainer's own step is compared with.

Same networks, same tokens. Both towers on the whole batch, one matrix of logits, the two cross-entropies of CLIP; an
optimizer that goes from tensor to tensor.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from webssl_trainer.augment import prepare
from webssl_trainer.data.batch import Batch
from webssl_trainer.objectives import StepContext
from webssl_trainer.objectives.clip import ClipObjective

from benchmarks.train.plain_step import PlainStep
from benchmarks.train.plain_vit import embedded, run_blocks, with_cls


def plain_clip(objective: ClipObjective, learning_rate: float) -> PlainStep:
    """Steps of the networks of `objective`, which they train in place. InfoNCE without stochastic depth."""
    o, config, network = objective, objective.config, objective.network

    def loss(batch: Batch, ctx: StepContext) -> Tensor:
        (crops,) = prepare(batch, config.crops, ctx.seed, ctx.device)
        images = crops.pixels()
        captions = [members[config.caption].decode() for members in batch.extras]
        tokens, last = (x.to(ctx.device) for x in o.tokenizer(captions))
        with o.parallel.precision():
            vision = network.vision
            seen = vision.norm(run_blocks(vision.blocks, with_cls(vision, embedded(vision, images), images)))
            image_features = network.image_projection(seen[:, 0])
            text_features = network.text_projection(_text(o, tokens)[torch.arange(len(tokens)), last])
        image_features = F.normalize(image_features.float(), dim=-1)
        text_features = F.normalize(text_features.float(), dim=-1)
        logits = network.temperature.log_scale.exp() * image_features @ text_features.T
        matches = torch.arange(len(logits), device=ctx.device)
        return (F.cross_entropy(logits, matches) + F.cross_entropy(logits.T, matches)) / 2

    def clamp(ctx: StepContext) -> None:
        del ctx
        network.temperature.clamp()

    return PlainStep(network, loss, learning_rate, clamp)


def _text(o: ClipObjective, tokens: Tensor) -> Tensor:
    """Features of all tokens, (B, L, D)."""
    text: Any = o.network.text
    x = F.embedding(tokens, text.token_embed) + text.pos_embed[: tokens.shape[1]]
    for block in text.blocks:
        images, length, _ = x.shape
        qkv = block.qkv(block.norm1(x)).reshape(images, length, 3, block.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
        x = x + block.proj(seen)
        hidden = block.fc1(block.norm2(x))
        x = x + block.fc2(hidden * torch.sigmoid(1.702 * hidden))
    normed: Tensor = text.norm(x)
    return normed
