"""`POST /v1/events`: exposures and tracked events from clients, each accepted or rejected on its own."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

from burgee.errors import SinkUnavailable
from burgee.numeric import parse_json
from burgee.serving.serving import NOBODY
from burgee.web.exchange import Need, Route
from burgee.web.openapi import answered, problems
from burgee.web.problems import problem
from burgee.web.protection.body import TooLarge, too_large
from burgee.web.replies import json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.events.records import Record, RecordScope
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply


async def events(exchange: Exchange) -> Reply:
    """Stores acceptable records, and reports the faults of the others."""
    from burgee.events.records import MAX_BYTES, MAX_RECORDS, refusals

    recorder = exchange.recorder
    if recorder is None:
        return problem(404, "not-found", "Not Found")
    if not exchange.belongs_to(recorder.scope.project, recorder.scope.environment):
        return problem(404, "not-found", "events of this key's project are not stored here")
    if exchange.announced > MAX_BYTES:
        return too_large(exchange.path, MAX_BYTES)
    try:
        body = parse_json(await exchange.bodies.read(exchange, MAX_BYTES))
    except TooLarge:
        return too_large(exchange.path, MAX_BYTES)
    except (ValueError, RecursionError):
        return problem(422, "invalid-json", "the body is not JSON")
    raw = body.get("events") if isinstance(body, dict) and len(body) == 1 else None
    if not isinstance(raw, list) or not 1 <= len(raw) <= MAX_RECORDS:
        return problem(422, "invalid-request", f"the body is an object with `events`, 1 to {MAX_RECORDS} of them")
    now = time.time()
    flags = exchange.flags(NOBODY, now)

    def known(flag: str) -> bool:
        return flags.definition(flag, now) is not None

    accepted, rejected = judge(raw, recorder.scope, now, known, _usage_key(exchange))
    refused = [refusals([one["error"] for one in rejected], recorder.scope, now)] if rejected else []
    try:
        await asyncio.to_thread(_store, exchange, [*accepted, *refused])
    except SinkUnavailable:
        if accepted:
            return problem(503, "sink-unavailable", "the events cannot be stored now; send them again")
    return json_reply(json.dumps({"accepted": len(accepted), "rejected": rejected}).encode())


def _usage_key(exchange: Exchange) -> str | None:
    """The name under which the usage of a process is counted; None for callers that may not send any."""
    caller = exchange.caller
    if exchange.usage is None or caller.client:
        return None
    return "" if caller.key is None else caller.name or caller.key


def _store(exchange: Exchange, records: list[Record]) -> None:
    """Writes usage where usage goes, and other records where they go."""
    usage = [record for record in records if record["type"] == "usage"]
    others = [record for record in records if record["type"] != "usage"]
    if usage and exchange.usage is not None:
        exchange.usage.sink.write(usage)
    if others and exchange.recorder is not None:
        exchange.recorder.sink.write(others)


def judge(
    raw: list[Any], scope: RecordScope, now: float, known: Callable[[str], bool], key: str | None = None
) -> tuple[list[Record], list[dict[str, Any]]]:
    """The acceptable records, and the fault of each of the others.

    Storage is partitioned by flag, so clients must not invent flags: `known` tests which the caller may see. `key` is
    the name under which usage is counted; with None it is refused.
    """
    from burgee.events.records import Unacceptable

    accepted, rejected = [], []
    for index, one in enumerate(raw):
        try:
            record = _accepted(one, scope, now, key)
        except Unacceptable as error:
            fault: str | None = str(error)
        else:
            flag = record.get("flag")
            fault = None if flag is None or known(flag) else f"there is no flag {flag!r}"
        if fault is None:
            accepted.append(record)
        else:
            event_id = one.get("event_id") if isinstance(one, dict) else None
            named = {"event_id": event_id} if isinstance(event_id, str) else {}
            rejected.append({"index": index, **named, "error": fault})
    return accepted, rejected


def _accepted(one: Any, scope: RecordScope, now: float, key: str | None) -> Record:
    from burgee.events.records import Unacceptable, accept

    if not isinstance(one, dict) or one.get("type") != "usage":
        return accept(one, scope, now)
    if key is None:
        raise Unacceptable("usage is taken from server keys, where it is recorded")
    from burgee.events.usage_records import accept_usage

    return accept_usage(one, scope, now, key)


def _document() -> dict[str, Any]:
    from burgee.events.records import SCHEMA
    from burgee.events.usage_records import SCHEMA as USAGE_SCHEMA

    of_events = SCHEMA["properties"]["events"]
    items = {"oneOf": [*of_events["items"]["oneOf"], USAGE_SCHEMA]}
    schema_of_body = {**SCHEMA, "properties": {"events": {**of_events, "items": items}}}
    rejected = {
        "type": "object",
        "required": ["index", "error"],
        "properties": {
            "index": {"type": "integer"},
            "event_id": {"type": "string"},
            "error": {"type": "string"},
        },
    }
    schema = {
        "type": "object",
        "required": ["accepted", "rejected"],
        "properties": {"accepted": {"type": "integer"}, "rejected": {"type": "array", "items": rejected}},
    }
    errors = {
        "404": "Nothing is recorded here",
        "408": "The body did not arrive in time",
        "413": "Over 1 MB",
        "422": "Not 1 to 500 records",
        "503": "Not stored; send them again",
    }
    return {
        "summary": "Record exposures, tracked events and usage",
        "tags": ["experiments"],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema_of_body}}},
        "responses": {**answered("The number stored, and the faults of the others", schema), **problems(errors)},
    }


ROUTES = [Route("POST", "/v1/events", Need.EVALUATE, "events", events, _document)]
