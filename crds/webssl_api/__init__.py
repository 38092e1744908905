"""The types of webssl.dev: the one contract between operator, trainer, evaluation and CLI."""
