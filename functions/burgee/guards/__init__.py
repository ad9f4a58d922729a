"""Guarded rollouts: the plan in the file, the tests of its metrics, and what to do next."""
