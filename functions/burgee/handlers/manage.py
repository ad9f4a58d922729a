"""AWS Lambda: the management routes, for admin keys or for callers that API Gateway has authenticated."""

from __future__ import annotations

from burgee.handlers import startup, wiring
from burgee.web.app import create_app
from burgee.web.gateway import gateway

_store = wiring.table()

_app = create_app(_store, wiring.serving(_store), wiring.setup(_store, wiring.ACCESS))

handler = gateway(_app, wiring.BASE_PATHS)
startup.started()
