"""The DINOv2 objective that Web-DINO follows."""

from webssl_trainer.objectives.dino.config import DinoConfig, HeadConfig, MaskConfig
from webssl_trainer.objectives.dino.objective import DinoObjective

__all__ = ["DinoConfig", "DinoObjective", "HeadConfig", "MaskConfig"]
