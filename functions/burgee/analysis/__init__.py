"""What experiments have shown: an optional part (`burgee[analysis]`) that only the command line imports.

See docs/statistics.md for what is computed, and from which sources.
"""
