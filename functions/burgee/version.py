"""The version of Burgee, in its own module so that reading it imports nothing else."""

__version__ = "1.0.0rc1"
