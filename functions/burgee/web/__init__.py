"""The service over HTTP; evaluation is separate, so that its function loads nothing else."""
