"""Rules that several benchmarks share: how an answer is read out of a model's text, and how two answers are compared."""
