"""The version of Burgee, on its own so that asking for it imports nothing."""

__version__ = "1.0.0rc1"
