"""Manifests that tests of several folders share."""
