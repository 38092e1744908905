"""`spec.objective.clip` in the trainer's terms."""

from __future__ import annotations

from webssl_api.model import ModelSize
from webssl_api.objective_clip import ClipSpec
from webssl_api.run import WebSSLRunSpec

from webssl_trainer.objectives.clip import ClipConfig, TextConfig, text_tower
from webssl_trainer.objectives.clip.config import clip_crops

_SMALL = (ModelSize.TINY, ModelSize.S)
"""For tests and first tries: their text towers are smaller than the matrix of CLIP's 49,408 tokens would be."""


def clip_config(spec: WebSSLRunSpec, clip: ClipSpec) -> ClipConfig:
    """The CLIP objective of a run. Raises UserError when the text tower's shape is none."""
    size, tower = spec.model.size, clip.text_tower
    text = (
        text_tower(size.value, clip.context_length)
        if tower is None
        else TextConfig(tower.width, tower.depth, tower.heads, clip.context_length)
    )
    return ClipConfig(
        text=text,
        crops=clip_crops(spec.schedule.stages[0].resolution),
        caption=clip.caption_extension,
        tokenizer=clip.tokenizer or ("bytes" if size in _SMALL else "clip"),
        loss=clip.loss.value,
        drop_path=spec.model.drop_path,
        patch_embed_lr_multiplier=spec.optimizer.patch_embed_rate_factor,
    )
