"""Follows a store, a file or a service, and keeps the last good ruleset."""
