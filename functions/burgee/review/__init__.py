"""Warnings for reviewers: findings, stale flags, references in code."""
