"""Reads, checks, compiles, formats and edits flags.yaml."""
