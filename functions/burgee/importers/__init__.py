"""Converts other engines' files to flags.yaml."""
