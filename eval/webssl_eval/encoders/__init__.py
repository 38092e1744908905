"""Frozen vision encoders: what a suite asks of one, and where they come from."""

from webssl_eval.encoders.interface import Encoder, Features
from webssl_eval.encoders.vit import VitEncoder, random_encoder

__all__ = ["Encoder", "Features", "VitEncoder", "random_encoder"]
