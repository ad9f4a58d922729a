"""`POST /v1/events`: exposures and tracked events from clients, each judged alone; plain Starlette."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route

from burgee.errors import SinkUnavailable
from burgee.events.records import MAX_BYTES, MAX_RECORDS, Unacceptable, accept
from burgee.numeric import parse_json
from burgee.serving.serving import NOBODY
from burgee.web.exchange import exchange_of
from burgee.web.problems import problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from burgee.events.records import Record, Scope
    from burgee.events.sinks import Sink


def events_route(sink: Sink, scope: Scope) -> Route:
    """The route, for an application that has others."""

    async def events(request: Request) -> Response:
        exchange = exchange_of(request)
        if not exchange.of(scope.project, scope.environment):
            return problem(404, "not-found", "no events are kept here for the project of this key")
        data = await _body(request)
        if data is None:
            return problem(413, "too-large", f"a body has at most {MAX_BYTES:,} bytes")
        try:
            body = parse_json(data)
        except (ValueError, RecursionError):
            return problem(422, "invalid-json", "the body is not JSON")
        raw = body.get("events") if isinstance(body, dict) and len(body) == 1 else None
        if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_RECORDS:
            return problem(422, "invalid-request", f"the body is an object with `events`, 1 to {MAX_RECORDS} of them")
        now = time.time()
        flags = exchange.flags(NOBODY, now)
        accepted, rejected = judge(raw, scope, now, lambda flag: flags.definition(flag, now) is not None)
        if accepted:
            try:
                await run_in_threadpool(sink.write, accepted)
            except SinkUnavailable:
                return problem(503, "sink-unavailable", "the events cannot be kept now; send them again")
        told = {"accepted": len(accepted), "rejected": rejected}
        return Response(json.dumps(told).encode(), 200, media_type="application/json")

    return Route("/v1/events", events, methods=["POST"])


def judge(
    raw: list[Any], scope: Scope, now: float, known: Callable[[str], bool]
) -> tuple[list[Record], list[dict[str, Any]]]:
    """The records that can be kept, and what is wrong with each of the others.

    Storage is partitioned by flag, so nobody may make up flags: `known` tells those that the caller may see.
    """
    accepted, rejected = [], []
    for index, one in enumerate(raw):
        try:
            record = accept(one, scope, now)
            _known(record["flag"], known)
            accepted.append(record)
        except Unacceptable as error:
            event_id = one.get("event_id") if isinstance(one, dict) else None
            named = {"event_id": event_id} if isinstance(event_id, str) else {}
            rejected.append({"index": index, **named, "error": str(error)})
    return accepted, rejected


def _known(flag: str | None, known: Callable[[str], bool]) -> None:
    if flag is not None and not known(flag):
        raise Unacceptable(f"there is no flag {flag!r}")


async def _body(request: Request) -> bytes | None:
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BYTES:
            return None
    return b"".join(parts)
