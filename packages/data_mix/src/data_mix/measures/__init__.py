"""One module per measure, and nothing else."""
