"""AWS Lambda: sends every new audit entry of the table's stream to EventBridge, at least once, in order per shard."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3

BUS = os.environ["BURGEE_EVENT_BUS"]
_events = boto3.client("events")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Returns the records that Lambda must retry, so that a failed one does not block those before it."""
    failed: list[dict[str, str]] = []
    for record in event["Records"]:
        entry = _entry(record)
        try:
            answered = _events.put_events(Entries=[entry]) if entry else {"FailedEntryCount": 0}
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream must deliver this record again
            answered = {"FailedEntryCount": 1}
            print(json.dumps({"level": "ERROR", "message": "put_events", "error": type(error).__name__}))  # noqa: T201
        if answered["FailedEntryCount"]:
            failed.append({"itemIdentifier": record["dynamodb"]["SequenceNumber"]})
            break
    return {"batchItemFailures": failed}


def _entry(record: dict[str, Any]) -> dict[str, str] | None:
    """The event for one record; None if it is not a new audit entry."""
    import base64

    image = record["dynamodb"].get("NewImage", {})
    tenant, _, partition = image.get("pk", {}).get("S", "").rpartition("#")
    if record["eventName"] != "INSERT" or partition != "AUDIT":
        return None
    project, _, environment = tenant.partition("#")
    entry = json.loads(base64.b64decode(image["record"]["B"]))
    detail = json.dumps({"project": project, "environment": environment, **entry})
    if len(detail) > 200_000:  # EventBridge takes 256 KB
        detail = json.dumps({"project": project, "environment": environment, **entry, "before": None, "after": None})
    return {"Source": "burgee", "DetailType": entry["action"], "Detail": detail, "EventBusName": BUS}
