"""Training objectives, each one module behind `interface.Objective`."""

from webssl_trainer.objectives.interface import Objective, StepContext

__all__ = ["Objective", "StepContext"]
