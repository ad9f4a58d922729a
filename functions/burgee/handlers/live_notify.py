"""AWS Lambda: notifies the connections of the WebSocket API, when the stream's function rings and each minute."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from botocore.config import Config

from burgee.handlers import wiring
from burgee.stores import Tenant
from burgee.web.gateway_sockets import THREADS, Notifier, Posted

ENDPOINT = os.environ["BURGEE_LIVE_ENDPOINT"]
RATE = float(os.environ["BURGEE_EVALUATION_RATE"]) / 3
"""Pages notified a second: each of them evaluates, and others evaluate too."""
MAX_TENANTS = 100
"""Environments that one event may name."""
_config = Config(max_pool_connections=THREADS, connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4})
_api = boto3.client("apigatewaymanagementapi", endpoint_url=ENDPOINT, config=_config)


def post(connection: str, data: bytes) -> Posted:
    """Sends a message to a connection."""
    try:
        _api.post_to_connection(ConnectionId=connection, Data=data)
    except _api.exceptions.GoneException:
        return Posted.GONE
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are notified, and this one later
        print(json.dumps({"level": "ERROR", "message": "post", "error": type(error).__name__}))
        return Posted.FAILED
    return Posted.SENT


_notifier = Notifier(wiring.table(), post, RATE)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Notifies the environments that an event names, or all. Raises if some were not reached: Lambda calls again."""
    named = (event.get("detail") or {}).get("tenants")
    tenants = [Tenant(*one) for one in named[:MAX_TENANTS]] if named else _notifier.environments()
    outcomes = [_notifier.moved(one) for one in tenants if one.project == wiring.TENANT.project]
    print(json.dumps({"notified": [outcome._asdict() for outcome in outcomes]}))
    return {"notified": sum(outcome.sent for outcome in outcomes)}
