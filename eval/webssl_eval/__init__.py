"""Evaluation of checkpoints: features, answers, scores."""
