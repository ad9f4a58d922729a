"""Adapters that ask Burgee what the published suites of other engines ask theirs."""
