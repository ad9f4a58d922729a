"""What stands before a route: access, limits, CORS, bodies, idempotency."""
