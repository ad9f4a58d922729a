"""AWS Lambda: the management routes, for admin keys or for callers that API Gateway has authenticated."""

from __future__ import annotations

import os
from dataclasses import replace

from burgee.handlers import startup, wiring
from burgee.web.app import create_app
from burgee.web.console.sign_in import SignIn
from burgee.web.gateway import gateway

_store = wiring.table()
_setup = wiring.setup(_store, wiring.ACCESS)
_client = os.environ.get("BURGEE_CONSOLE_CLIENT", "")
if wiring.ACCESS == "jwt" and _client:
    _names = ("ISSUER", "CLIENT", "SCOPES", "AUDIENCE")
    _setup = replace(_setup, sign_in=SignIn(*(os.environ.get(f"BURGEE_CONSOLE_{name}", "") for name in _names)))

_app = create_app(_store, wiring.serving(_store), _setup, console_at_once=False)

handler = gateway(_app, wiring.BASE_PATHS)
startup.started()
