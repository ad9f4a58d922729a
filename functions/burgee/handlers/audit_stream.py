"""AWS Lambda: the only reader of the table's stream, which takes new audit entries to everyone who asked for them.

A shard of the stream has few readers before it is throttled, so there is one, with a list of consumers.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BUS = os.environ.get("BURGEE_EVENT_BUS", "")
OUTBOX = os.environ.get("BURGEE_OUTBOX", "")
"""The stack whose functions send webhooks and notify open pages; empty if none does."""
LARGEST = 200_000
"""EventBridge takes 256 KB."""
_events = boto3.client("events")


class Change(NamedTuple):
    """One new audit entry, and its tenant."""

    project: str
    environment: str
    entry: dict[str, Any]


def to_bus(changes: Sequence[Change]) -> int:
    """Sends each change to the bus, in order."""
    for sent, change in enumerate(changes):
        if not _put(change.entry["action"], _detail(change), Source="burgee", EventBusName=BUS):
            return sent
    return len(changes)


def ring(changes: Sequence[Change]) -> int:
    """Lets those functions know. If that fails, they look by themselves within a minute."""
    tenants = sorted({(change.project, change.environment) for change in changes})
    if tenants:
        _put("changes", json.dumps({"stack": OUTBOX, "tenants": tenants}), Source="burgee.outbox")
    return len(changes)


CONSUMERS: list[Callable[[Sequence[Change]], int]] = [
    *([ring] if OUTBOX else []),
    *([to_bus] if BUS else []),
]
"""Each takes the changes of a batch, and returns how many of them, from the first, need not come again.

One whose receivers fail on their own, or look by themselves, returns all, so that it holds up no other.
"""


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Returns the first record that Lambda must bring again, with those after it."""
    found = [(record, change) for record in event["Records"] if (change := _change(record)) is not None]
    changes = [change for _, change in found]
    taken = min((consumer(changes) for consumer in CONSUMERS), default=len(changes))
    failed = [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record, _ in found[taken : taken + 1]]
    return {"batchItemFailures": failed}


def _put(kind: str, detail: str, **more: str) -> bool:
    """Whether EventBridge has taken an event."""
    try:
        answer = _events.put_events(Entries=[{"DetailType": kind, "Detail": detail, **more}])
    except Exception as error:  # noqa: BLE001 - whatever it is, the stream must bring this record again
        print(json.dumps({"level": "ERROR", "message": "put_events", "error": type(error).__name__}))
        return False
    return not answer["FailedEntryCount"]


def _detail(change: Change) -> str:
    tenant = {"project": change.project, "environment": change.environment}
    detail = json.dumps({**tenant, **change.entry})
    return detail if len(detail) <= LARGEST else json.dumps({**tenant, **change.entry, "before": None, "after": None})


def _change(record: dict[str, Any]) -> Change | None:
    """The change in a record of the stream; None if it is not a new audit entry."""
    image = record["dynamodb"].get("NewImage", {})
    tenant, _, partition = image.get("pk", {}).get("S", "").rpartition("#")
    if record["eventName"] != "INSERT" or partition != "AUDIT":
        return None
    project, _, environment = tenant.partition("#")
    return Change(project, environment, json.loads(b64decode(image["record"]["B"])))
