"""Following a store, a file or a service, and keeping the last good ruleset."""
