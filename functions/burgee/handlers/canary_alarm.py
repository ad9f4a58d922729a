"""AWS Lambda: takes a release on trial back when an alarm rings, told by EventBridge."""

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
    """A CloudWatch alarm's change of state. Raises if the table does not answer, so that EventBridge tries again."""
    detail = event["detail"]
    name, rang = detail["alarmName"], _epoch(detail["state"]["timestamp"])
    told: dict[str, Any] = {"alarm": name, "release": None}
    if detail["state"]["value"] == ALARM:
        store = wiring.table()
        try:
            act = AuditContext("release.withdraw", "guard", f"the alarm {name} rang", time.time(), source=name)
            told["release"] = withdraw(store, act, rang)
        finally:
            store.close()
    print(json.dumps(told))  # noqa: T201 - Lambda's log
    return told


def _epoch(timestamp: str) -> float:
    """CloudWatch writes offsets without a colon: 2027-03-01T09:00:00.000+0000."""
    head, zone = timestamp[:-5], timestamp[-5:]
    return parse_time(f"{head}{zone[:3]}:{zone[3:]}" if zone[:1] in "+-" else timestamp)
