"""What is told of requests as lines of JSON: one log record each, and metrics in CloudWatch's embedded format.

A record has the operation, the outcome and whose key it was; never a path, a user, an attribute or a body.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.web.headers import Seen

NAMESPACE = "Burgee"
FLUSH_SECONDS = 5.0
MAX_VALUES = 100
"""CloudWatch takes no more values of one metric in a line."""
EVALUATIONS = {"user_flag", "user_flags", "one", "bulk"}


class RequestLog:
    """A line for each request; of evaluations, which are many, only those that failed unless `every`."""

    def __init__(self, write: Callable[[str], object], *, every: bool = False) -> None:
        self._write = write
        self._every = every

    def __call__(self, seen: Seen) -> None:
        """Tells of one request."""
        if seen.operation in EVALUATIONS and seen.status < 500 and not self._every:
            return
        record = {
            "timestamp": format_time(time.time()),
            "level": "ERROR" if seen.status >= 500 else "WARN" if seen.status in {401, 403, 429} else "INFO",
            "message": "request",
            "request_id": seen.request_id,
            "operation": seen.operation,
            "method": seen.method,
            "status": seen.status,
            "milliseconds": round(seen.seconds * 1000, 3),
            "project": seen.project,
            "environment": seen.environment,
            "key": seen.key,
            "release": None if seen.serving is None else seen.serving.version,
        }
        self._write(json.dumps({name: value for name, value in record.items() if value is not None}) + "\n")


class Metrics:
    """Counts in memory, and writes at the end of a request: every few seconds, and at once where one failed.

    What a process has not written when it ends is lost: some seconds of one Lambda environment's counts. Failures are
    counted for `function` too, whoever asked: also those that came before it was known who did. Alarms name that one.
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

    def __call__(self, seen: Seen) -> None:
        """Counts one request."""
        failed, full = seen.status >= 500, False
        self._failures += failed
        if seen.project is not None and seen.environment is not None:
            counts = self._tenants.setdefault((seen.project, seen.environment), _Counts())
            counts.add(seen)
            full = len(counts.latency) >= MAX_VALUES
        if failed or full or self._clock() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Writes what was counted."""
        self._due = self._clock() + self._flush_seconds
        if self._function is not None:
            # Also where there are none, so that an alarm sees that they have stopped.
            self._line({"Function": self._function}, {"Failures": (self._failures, "Count")})
        self._failures = 0
        for (project, environment), counts in self._tenants.items():
            whose = {"Project": project, "Environment": environment}
            self._line(whose, counts.values())
            for reason, number in counts.reasons.items():
                self._line({**whose, "Reason": reason}, {"Evaluations": (number, "Count")})
        self._tenants = {}

    def _line(self, whose: dict[str, str], values: dict[str, tuple[Any, str]]) -> None:
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(whose)],
            "Metrics": [{"Name": name, "Unit": unit} for name, (_, unit) in values.items()],
        }
        head = {"Timestamp": int(self._clock() * 1000), "CloudWatchMetrics": [directive]}
        told = {name: value for name, (value, _) in values.items()}
        self._write(json.dumps({"_aws": head, **whose, **told}) + "\n")


class _Counts:
    """What a tenant's requests came to."""

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.refused = 0
        self.age = 0.0
        self.failing = 0
        self.latency: list[float] = []
        self.reasons: dict[str, int] = {}

    def add(self, seen: Seen) -> None:
        self.requests += 1
        self.failures += seen.status >= 500
        self.refused += seen.status == 429
        self.latency.append(round(seen.seconds * 1000, 3))
        if seen.serving is not None:
            self.age = max(self.age, seen.serving.age_seconds)
            self.failing += seen.serving.error is not None
        for reason, number in seen.reasons.items():
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


def together(*watchers: Callable[[Seen], None]) -> Callable[[Seen], None]:
    """Tells each of them."""

    def watch(seen: Seen) -> None:
        for watcher in watchers:
            watcher(seen)

    return watch


def spans() -> Callable[[Seen], None]:
    """A span for each request by OpenTelemetry, which has to be installed; where it goes is its SDK's affair."""
    from opentelemetry import trace

    tracer = trace.get_tracer("burgee")

    def watch(seen: Seen) -> None:
        end = time.time_ns()
        attributes: dict[str, str | int] = {
            "http.request.method": seen.method,
            "http.response.status_code": seen.status,
            "burgee.request_id": seen.request_id,
            "burgee.project": seen.project or "",
            "burgee.environment": seen.environment or "",
            "burgee.release": seen.serving.version if seen.serving else 0,
        }
        start = end - int(seen.seconds * 1e9)
        span = tracer.start_span(f"burgee.{seen.operation}", start_time=start, attributes=attributes)
        span.end(end)

    return watch
