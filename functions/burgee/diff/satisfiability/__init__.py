"""Decides which truths the conditions on one attribute can have together: possible unless proved impossible."""
