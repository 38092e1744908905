"""Pictures of a training: curves over steps, and what the features of a few images look like. Drawn with Pillow alone."""
