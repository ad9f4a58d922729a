"""The answer to a write that waits for evaluators to answer with it."""

from __future__ import annotations

import json
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from burgee.errors import StoreError
from burgee.serving.seen import as_record, settled, wait
from burgee.web.replies import written

if TYPE_CHECKING:
    from burgee.stores import Store

MAX_WAIT = 8.0
"""Seconds: API Gateway and the function both give up later."""
WAITING = 8
"""Writes of one process that may wait at once; each occupies a thread. Others are answered at once."""
_waiting = BoundedSemaphore(WAITING)


def awaited(store: Store, revision: int, response: Response, seconds: float) -> Response:
    """The answer to a write, with the evaluators that serve it: 202 unless all that reported lately do."""
    if not _waiting.acquire(blocking=False):
        seconds = 0.0
    try:
        found = wait(store, revision, seconds)
    except StoreError:  # the change is committed all the same
        return Response(response.body, 202, dict(response.headers))
    finally:
        if seconds:
            _waiting.release()
    body: dict[str, Any] = {**json.loads(bytes(response.body)), "seen": as_record(found)}
    status = response.status_code if settled(found) else 202
    return Response(written(body), status, {"ETag": response.headers["ETag"]}, "application/json")
