"""Alignment of vision and language: mutual nearest neighbours of images and their captions."""
