"""`GET /usage`: which flags are asked for, by which key, and what they answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

from burgee.errors import Refused
from burgee.times import parse_duration
from burgee.web.exchange import Need, Route
from burgee.web.openapi import read
from burgee.web.problems import problem
from burgee.web.replies import tagged, unless_held, written
from burgee.web.routes.metrics import Totals

if TYPE_CHECKING:
    from burgee.events.usage_report import UsageReport
    from burgee.web.exchange import Exchange, Handler
    from burgee.web.replies import Reply

PERIOD = "7d"
USAGE_IS_IN = (
    "this service does not read usage: run `burgee usage --events s3://BUCKET/events`,"
    " or ask Athena for the table burgee_usage"
)
METRICS_ARE_IN = "this service has no metrics for Prometheus: CloudWatch has them, in the namespace Burgee"


class UsageReports(Totals, Protocol):
    """The usage of one tenant as JSON values."""

    def usage(self, seconds: float, flag: str | None) -> dict[str, Any]:
        """Of the last seconds, of one flag or all. Raises Refused for a flag that is neither served nor asked for."""
        ...

    def report(self, seconds: float) -> UsageReport:
        """Of the last seconds."""
        ...


def usage_routes(reports: UsageReports) -> list[Route]:
    """The route over reports, for callers of their tenant."""

    async def usage(exchange: Exchange) -> Reply:
        query = dict(parse_qsl(str(exchange.scope["query_string"], "latin-1"), keep_blank_values=True))
        unknown = query.keys() - {"since", "flag"}
        if unknown:
            raise Refused("invalid-request", f"unknown query parameter {min(unknown)!r:.80}")
        if not exchange.belongs_to(reports.project, reports.environment):
            raise Refused("not-found", "usage of this key's project is not recorded here")
        try:
            seconds = parse_duration(query.get("since", PERIOD))
        except ValueError as error:
            raise Refused("invalid-request", f"since: {error}") from error
        found = await asyncio.to_thread(reports.usage, seconds, query.get("flag"))
        return unless_held(tagged(written(found)), exchange.if_none_match)

    return [Route("GET", "/usage", Need.READ, "usage", usage, _document)]


def elsewhere_routes() -> list[Route]:
    """For a service that reads no usage, as on AWS: the routes say where it is, to who may read it."""

    def answering(detail: str) -> Handler:
        async def answer(_exchange: Exchange) -> Reply:
            return problem(404, "not-found", detail)

        return answer

    usage, metrics = answering(USAGE_IS_IN), answering(METRICS_ARE_IN)
    return [
        Route("GET", "/usage", Need.READ, "usage", usage),
        Route("GET", "/metrics", Need.METRICS, "metrics", metrics),
    ]


def _document() -> dict[str, Any]:
    asked = {
        "type": "object",
        "required": ["answers", "last"],
        "properties": {"answers": {"type": "integer"}, "last": {"type": ["string", "null"]}},
    }
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    flag = {
        "type": "object",
        "required": ["flag", "by_name", "bulk", "variants", "reasons", "keys", "releases", "shares"],
        "properties": {
            "flag": {"type": "string"},
            "by_name": asked,
            "bulk": asked,
            "variants": counts,
            "reasons": counts,
            **{name: {"type": "array", "items": {"type": "object"}} for name in ("keys", "releases", "shares")},
        },
    }
    text = {"type": ["string", "null"]}
    schema = {
        "type": "object",
        "required": ["since", "until", "recorded_since", "days", "lost", "flags", "unknown"],
        "properties": {
            **dict.fromkeys(("since", "until", "recorded_since"), text),
            **{key: {"type": "integer"} for key in ("days", "lost")},
            **{key: {"type": "array", "items": flag} for key in ("flags", "unknown")},
        },
    }
    parameters = [
        {"name": "since", "in": "query", "schema": {"type": "string"}, "description": "Such as 24h; default 7d."},
        {"name": "flag", "in": "query", "schema": {"type": "string"}, "description": "Only this flag."},
    ]
    errors = {"404": "No such flag", "422": "Not a period"}
    return read("Which flags are asked for, and what they answer", schema, parameters, errors, "operations")
