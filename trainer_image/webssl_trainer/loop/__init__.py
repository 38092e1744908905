"""The training process: what each rank does between a resume and the next checkpoint."""
