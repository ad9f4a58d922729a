"""AWS Lambda: the management routes. API Gateway lets only signed requests through."""

from __future__ import annotations

import wiring
from burgee.web.app import create_app
from burgee.web.gateway import gateway

_store = wiring.table()

handler = gateway(create_app(_store, wiring.serving(_store)))
