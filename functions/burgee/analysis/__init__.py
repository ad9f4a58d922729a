"""What experiments have shown: an optional part (`burgee[analysis]`) that only the command line and tests import.

Statistics come from tea-tasting and scipy, behind thin layers that close their traps; see docs/statistics.md.
"""
