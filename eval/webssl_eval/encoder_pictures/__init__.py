"""What an encoder makes of a few pictures, drawn beside a suite's scores: components of its features, and where it looks."""

from webssl_eval.encoder_pictures.watched import PICTURE, Watched, picture_files

__all__ = ["PICTURE", "Watched", "picture_files"]
