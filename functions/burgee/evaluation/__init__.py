"""Evaluates a definition in a context; pure: no I/O and no clock."""
