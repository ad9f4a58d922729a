"""Analyses experiments: an optional part (`burgee[analysis]`) that only the command line imports.

See docs/statistics.md for the methods and their sources.
"""
