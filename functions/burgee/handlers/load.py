"""AWS Lambda: a CloudFormation custom resource that makes the release in its package live.

Every published version of this function contains its own release, and CloudFormation calls the version that a stack
names: an update loads the new file, and its rollback loads the previous one again.
"""

from __future__ import annotations

import json
import time
import urllib.request
from typing import Any

from burgee.errors import BurgeeError, Refused
from burgee.handlers import wiring
from burgee.releases.stack_loader import load


def handler(event: dict[str, Any], _context: object) -> None:
    """Reports the outcome to CloudFormation; a refusal fails the update with its reason."""
    status, reason = "SUCCESS", ""
    try:
        if event["RequestType"] != "Delete":  # deleting a stack deletes no data
            reason = _load(event.get("ResourceProperties", {}), event.get("OldResourceProperties"))
    except BurgeeError as error:
        status, reason = "FAILED", str(error)
    except Exception as error:
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
        raise
    finally:
        _answer(event, status, reason)


def _load(properties: dict[str, Any], old: dict[str, Any] | None) -> str:
    bundle = wiring.bundled()
    if bundle is None:
        raise Refused("no-release", "the package contains no release; build it with `burgee build`")
    store = wiring.table()
    try:
        return load(store, bundle, properties, time.time(), old)
    finally:
        store.close()


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    body = {
        "Status": status,
        "Reason": reason[:1000],
        "PhysicalResourceId": f"burgee:{wiring.TENANT.project}:{wiring.TENANT.environment}",
        **{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")},
    }
    print(json.dumps({key: body[key] for key in ("Status", "Reason")}))
    request = urllib.request.Request(  # noqa: S310 - CloudFormation's own address
        event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""}, method="PUT"
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - as above
