"""What EventBridge says of an alarm of CloudWatch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

ALARM = "ALARM"


def went_off(event: Mapping[str, Any]) -> dict[str, float] | None:
    """The alarm of an event and when it went off, in epoch seconds; nothing if it did not; None for other events."""
    detail = event.get("detail") or {}
    if "alarmName" not in detail:
        return None
    state = detail["state"]
    return {detail["alarmName"]: _epoch(state["timestamp"])} if state["value"] == ALARM else {}


def _epoch(timestamp: str) -> float:
    """CloudWatch writes offsets without a colon: 2027-03-01T09:00:00.000+0000."""
    head, zone = timestamp[:-5], timestamp[-5:]
    return parse_time(f"{head}{zone[:3]}:{zone[3:]}" if zone[:1] in "+-" else timestamp)
