"""Monocular depth from frozen features."""
