"""Language-free training of vision transformers: data, model, objective, step, checkpoint."""
