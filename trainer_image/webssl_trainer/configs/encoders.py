"""Which module of an objective is the encoder, as its checkpoints name it."""

from __future__ import annotations

ENCODERS = {"dino": "teacher.backbone", "mae": "autoencoder.encoder", "clip": "clip.vision"}
"""`Objective.encoder` of each objective: known without building its networks."""
