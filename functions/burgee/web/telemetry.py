"""Logs requests as JSON lines, and metrics in CloudWatch's embedded format.

A record holds the operation, the outcome and the key's id; never a path, user, attribute or body.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from burgee.records import NamedTuple
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.serving.serving import ServingStatus
    from burgee.web.exchange import Exchange

NAMESPACE = "Burgee"
PROVIDER = "Burgee"
EVENT = "feature_flag.evaluation"
"""The name of OpenTelemetry's event of an evaluation."""
FLUSH_SECONDS = 5.0
MAX_VALUES = 100
"""CloudWatch's limit for values of one metric in a line."""
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"}
_ALWAYS_LOGGED = {401, 403, 429}


class Summary(NamedTuple):
    """The outcome of a request. `reasons` counts evaluations; nothing here comes from a context or body."""

    request_id: str
    operation: str
    method: str
    status: int
    seconds: float
    project: str | None
    environment: str | None
    key: str | None
    serving: ServingStatus | None
    reasons: Mapping[str, int]
    logged: bool = True
    """Whether its route logs every request."""
    evaluation: Mapping[str, str] = {}
    """The evaluation of one flag, in OpenTelemetry's words."""


def summary(exchange: Exchange, seconds: float) -> Summary:
    """The outcome of a request."""
    tenant, route, method = exchange.tenant, exchange.route, exchange.scope["method"]
    return Summary(
        exchange.request_id.decode(),
        "none" if route is None else route.operation,
        method if method in _METHODS else "other",
        exchange.status or 500,
        seconds,
        tenant.project if tenant else None,
        tenant.environment if tenant else None,
        exchange.caller.key if tenant else None,
        exchange.serving.status() if tenant else None,
        exchange.reasons or {},
        route is None or route.logged,
        _evaluation(exchange),
    )


def _evaluation(exchange: Exchange) -> dict[str, str]:
    """The attributes of OpenTelemetry's semantic conventions for an evaluation, without value and context.

    A name without a flag is not among them: anyone may ask for any name.
    """
    answer, tenant = exchange.answer, exchange.tenant
    if answer is None or exchange.flag is None or tenant is None:
        return {}
    found = {
        "feature_flag.key": "" if answer.error_code == "FLAG_NOT_FOUND" else exchange.flag,
        "feature_flag.result.variant": answer.variant or "",
        "feature_flag.result.reason": answer.reason.lower(),
        "feature_flag.provider.name": PROVIDER,
        "feature_flag.set.id": f"{tenant.project}/{tenant.environment}",
        "feature_flag.version": str(exchange.version or 0),
        "error.type": answer.error_code.lower() if answer.error_code is not None else "",
    }
    return {name: value for name, value in found.items() if value}


class RequestLog:
    """Writes a line per request; of evaluations only refused or failed ones, unless `every`."""

    def __init__(self, write: Callable[[str], object], *, every: bool = False) -> None:
        self._write = write
        self._every = every

    def __call__(self, request: Summary) -> None:
        """Logs one request."""
        if not (request.logged or self._every or request.status >= 500 or request.status in _ALWAYS_LOGGED):
            return
        record = {
            "timestamp": format_time(time.time()),
            "level": "ERROR" if request.status >= 500 else "WARN" if request.status in _ALWAYS_LOGGED else "INFO",
            "message": "request",
            "request_id": request.request_id,
            "operation": request.operation,
            "method": request.method,
            "status": request.status,
            "milliseconds": round(request.seconds * 1000, 3),
            "project": request.project,
            "environment": request.environment,
            "key": request.key,
            "release": None if request.serving is None else request.serving.version,
            **request.evaluation,
        }
        self._write(json.dumps({name: value for name, value in record.items() if value is not None}) + "\n")


class Metrics:
    """Counts in memory, and writes at the end of a request: every few seconds, or at once after a failure.

    Counts not yet written when a process ends are lost: a few seconds of one Lambda environment. Failures are also
    counted for `function`, for all callers and before the caller is known; alarms use that count.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        *,
        function: str | None = None,
        clock: Callable[[], float] = time.time,
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self._write = write
        self._function = function
        self._failures = 0
        self._clock = clock
        self._flush_seconds = flush_seconds
        self._due = clock()
        self._tenants: dict[tuple[str, str], _Counts] = {}

    def __call__(self, request: Summary) -> None:
        """Counts one request."""
        failed, full = request.status >= 500, False
        self._failures += failed
        if request.project is not None and request.environment is not None:
            tenant = request.project, request.environment
            counts = self._tenants.get(tenant)
            if counts is None:
                counts = self._tenants[tenant] = _Counts()
            counts.add(request)
            full = len(counts.latency) >= MAX_VALUES
        if failed or full or self._clock() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Writes the counts."""
        self._due = self._clock() + self._flush_seconds
        if self._function is not None:
            # Also if there are none, so that alarms see that they have stopped.
            self._line({"Function": self._function}, {"Failures": (self._failures, "Count")})
        self._failures = 0
        for (project, environment), counts in self._tenants.items():
            dimensions = {"Project": project, "Environment": environment}
            self._line(dimensions, counts.values())
            for reason, number in counts.reasons.items():
                self._line({**dimensions, "Reason": reason}, {"Evaluations": (number, "Count")})
        self._tenants = {}

    def _line(self, dimensions: dict[str, str], values: dict[str, tuple[Any, str]]) -> None:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(dimensions)],
            "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in values.items()],
        }
        head = {"Timestamp": int(self._clock() * 1000), "CloudWatchMetrics": [directive]}
        plain = {name: value for name, (value, _) in values.items()}
        self._write(json.dumps({"_aws": head, **dimensions, **plain}) + "\n")


class _Counts:
    """The counts of one tenant's requests."""

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.refused = 0
        self.age = 0.0
        self.failing = 0
        self.latency: list[float] = []
        self.reasons: dict[str, int] = {}

    def add(self, request: Summary) -> None:
        self.requests += 1
        self.failures += request.status >= 500
        self.refused += request.status == 429
        self.latency.append(round(request.seconds * 1e6) / 1000)
        if request.serving is not None:
            self.age = max(self.age, request.serving.age_seconds)
            self.failing += request.serving.error is not None
        for reason, number in request.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + number

    def values(self) -> dict[str, tuple[Any, str]]:
        return {
            "Requests": (self.requests, "Count"),
            "Failures": (self.failures, "Count"),
            "Throttled": (self.refused, "Count"),
            "RulesetAge": (round(self.age, 3), "Seconds"),
            "RefreshFailures": (self.failing, "Count"),
            "Latency": (self.latency, "Milliseconds"),
        }


def together(*watchers: Callable[[Summary], None]) -> Callable[[Summary], None]:
    """Combines several watchers."""

    def watch(request: Summary) -> None:
        for watcher in watchers:
            watcher(request)

    return watch


def spans() -> Callable[[Summary], None]:
    """An OpenTelemetry span per request, and an event per evaluation of one flag, which refers to its span.

    OpenTelemetry must be installed, and its SDK decides the destinations.
    """
    from opentelemetry import _logs, trace

    tracer, logger = trace.get_tracer("burgee"), _logs.get_logger("burgee")

    def watch(request: Summary) -> None:
        end = time.time_ns()
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "http.response.status_code": request.status,
            "burgee.request_id": request.request_id,
            "burgee.project": request.project or "",
            "burgee.environment": request.environment or "",
            "burgee.release": request.serving.version if request.serving else 0,
            **request.evaluation,
        }
        start = end - int(request.seconds * 1e9)
        span = tracer.start_span(f"burgee.{request.operation}", start_time=start, attributes=attributes)
        if "feature_flag.key" in request.evaluation:
            context = trace.set_span_in_context(span)
            attributes = {**request.evaluation}
            event = _logs.LogRecord(timestamp=end, context=context, event_name=EVENT, attributes=attributes)
            logger.emit(event)
        span.end(end)

    return watch
