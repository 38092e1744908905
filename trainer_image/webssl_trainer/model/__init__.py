"""Vision transformers of the paper: sizes, forward pass, initial values and distribution over processes."""
