"""Plans, deploys, overrides and rolls back releases."""
