"""Puts the one answer of a settled flag into the code that asks for it; needs the extra `removal`."""
