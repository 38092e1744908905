"""Encoders in other people's layouts: checkpoints out to Hugging Face folders, and published weights in."""
