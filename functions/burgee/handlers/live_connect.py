"""AWS Lambda: begins and ends connections of the WebSocket API."""

from __future__ import annotations

import json
import time
from typing import Any

from burgee.errors import StoreError
from burgee.handlers import wiring
from burgee.web.gateway_sockets import connect, disconnect

_store = wiring.polled_table()


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answers `$connect` with its status; `$disconnect` needs no answer."""
    context = event["requestContext"]
    try:
        if context["eventType"] == "CONNECT":
            return connect(_store, event, keyed=wiring.ACCESS == "keys", now=time.time())
        disconnect(_store, context["connectionId"])
    except StoreError as error:
        print(json.dumps({"level": "ERROR", "message": context["eventType"], "error": str(error)}))
        return {"statusCode": 503}
    return {"statusCode": 200}
