"""Image-text contrast: the language-supervised control of the paper (CLIP as MetaCLIP trains it)."""

from webssl_trainer.objectives.clip.config import ClipConfig, TextConfig, text_tower
from webssl_trainer.objectives.clip.objective import ClipObjective

__all__ = ["ClipConfig", "ClipObjective", "TextConfig", "text_tower"]
