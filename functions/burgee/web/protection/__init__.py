"""Protects routes: access, limits, CORS, bodies, idempotency."""
