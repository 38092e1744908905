"""The masked autoencoder that Web-MAE follows."""

from webssl_trainer.objectives.mae.config import DecoderConfig, MaeConfig
from webssl_trainer.objectives.mae.objective import MaeObjective

__all__ = ["DecoderConfig", "MaeConfig", "MaeObjective"]
