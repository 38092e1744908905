"""Counter-based random draws: every draw is a pure function of (seed, position, purpose, indices)."""

from webssl_trainer.random.counter import Purpose, Stream, bits, bits_torch, uniform, uniform_torch

__all__ = ["Purpose", "Stream", "bits", "bits_torch", "uniform", "uniform_torch"]
