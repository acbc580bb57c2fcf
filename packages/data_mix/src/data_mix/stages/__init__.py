"""One module per stage, and nothing else."""
