"""AWS Lambda: withdraws a canary when EventBridge reports an alarm."""

from __future__ import annotations

import json
import time
from typing import Any

from burgee.handlers import wiring
from burgee.handlers.alarm_events import went_off
from burgee.releases.deploy import withdraw
from burgee.stores.audit import AuditContext


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handles an alarm's state change. Raises if the table does not answer, so that EventBridge retries."""
    name = event["detail"]["alarmName"]
    outcome: dict[str, Any] = {"alarm": name, "release": None}
    rang = went_off(event)
    if rang:
        store = wiring.table()
        try:
            act = AuditContext(
                "release.withdraw", "canary alarm", f"the alarm {name} went off", time.time(), source=name
            )
            outcome["release"] = withdraw(store, act, rang[name])
        finally:
            store.close()
    print(json.dumps(outcome))
    return outcome
