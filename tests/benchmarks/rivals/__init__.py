"""Adapters: one engine each, imported inside its own virtual environment."""
