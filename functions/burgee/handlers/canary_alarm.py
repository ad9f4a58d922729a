"""AWS Lambda: withdraws a canary when EventBridge reports an alarm."""

from __future__ import annotations

import json
import time
from typing import Any

from burgee.handlers import wiring
from burgee.releases.deploy import withdraw
from burgee.stores.audit import AuditContext
from burgee.times import parse_time

ALARM = "ALARM"


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handles an alarm's state change. Raises if the table does not answer, so that EventBridge retries."""
    detail = event["detail"]
    name, rang = detail["alarmName"], _epoch(detail["state"]["timestamp"])
    outcome: dict[str, Any] = {"alarm": name, "release": None}
    if detail["state"]["value"] == ALARM:
        store = wiring.table()
        try:
            act = AuditContext(
                "release.withdraw", "canary alarm", f"the alarm {name} went off", time.time(), source=name
            )
            outcome["release"] = withdraw(store, act, rang)
        finally:
            store.close()
    print(json.dumps(outcome))
    return outcome


def _epoch(timestamp: str) -> float:
    """CloudWatch writes offsets without a colon: 2027-03-01T09:00:00.000+0000."""
    head, zone = timestamp[:-5], timestamp[-5:]
    return parse_time(f"{head}{zone[:3]}:{zone[3:]}" if zone[:1] in "+-" else timestamp)
