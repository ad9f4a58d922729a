"""AWS Lambda: the evaluation routes. Without a table it serves the release in its package, without keys."""

from __future__ import annotations

from burgee.handlers import startup, wiring
from burgee.web.evaluation_app import evaluation_app
from burgee.web.gateway import gateway

_store = wiring.polled_table() if wiring.TABLE else None
_serving = wiring.serving(_store)
# Read the table while Lambda initialises, when the CPU is not throttled and no caller waits.
_serving.refresh()
wiring.snapshots(_serving, _store)

_app = evaluation_app(_serving, _store, wiring.setup(_store, wiring.ACCESS))

handler = gateway(wiring.draining(_app), wiring.BASE_PATHS)
startup.started()
