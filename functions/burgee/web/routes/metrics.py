"""`GET /metrics`: what was answered and how old the flags are, in Prometheus's text format."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from burgee.events.usage_database import LOST
from burgee.serving.serving import NOBODY
from burgee.version import __version__
from burgee.web.exchange import Need, Route
from burgee.web.openapi import REFUSED, problems
from burgee.web.problems import problem
from burgee.web.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from burgee.events.usage_database import Total
    from burgee.web.exchange import Exchange

    Sample = tuple[Mapping[str, str], float]

FORMAT = b"text/plain; version=0.0.4; charset=utf-8"
_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Totals(Protocol):
    """What one tenant's processes have answered since counting began."""

    project: str
    environment: str

    def totals(self) -> Sequence[Total]:
        """By flag, variant and reason; what was counted by all processes until about a minute ago."""
        ...


def metrics_routes(totals: Totals) -> list[Route]:
    """The route over totals, for callers of their tenant."""

    async def metrics(exchange: Exchange) -> Reply:
        if not exchange.belongs_to(totals.project, totals.environment):
            return problem(404, "not-found", "metrics of this key's project are not recorded here")
        found = await asyncio.to_thread(totals.totals)
        exchange.serving.ruleset(NOBODY)
        status = exchange.serving.status()
        flags = exchange.serving.served().ruleset.names()
        text = "".join(_exposition(found, status.version, status.age_seconds, len(flags), status.error is not None))
        data = text.encode("utf-8", "replace")
        headers = [(b"content-length", b"%d" % len(data)), (b"content-type", FORMAT), (b"cache-control", b"no-store")]
        return Reply(200, data, headers)

    return [Route("GET", "/metrics", Need.METRICS, "metrics", metrics, _document, logged=False)]


def _exposition(found: Iterable[Total], release: int, age: float, flags: int, failing: bool) -> Iterator[str]:
    evaluations: list[Sample] = []
    lost = 0
    for one in found:
        if one.reason == LOST:
            lost += one.answers
        else:
            evaluations.append(({"flag": one.flag, "variant": one.variant, "reason": one.reason}, one.answers))
    yield from _family("burgee_info", "gauge", "The version of the program.", [({"version": __version__}, 1)])
    yield from _family("burgee_release", "gauge", "The release that is served.", [({}, release)])
    yield from _family("burgee_flags", "gauge", "Flags that are served.", [({}, flags)])
    words = "Seconds since the flags were last known to be current."
    yield from _family("burgee_ruleset_age_seconds", "gauge", words, [({}, age)])
    words = "Whether the flags could not be read at the last poll."
    yield from _family("burgee_refresh_failing", "gauge", words, [({}, int(failing))])
    words = "Answers of all processes, to a minute; names without a flag have an empty one."
    yield from _family("burgee_evaluations_total", "counter", words, evaluations)
    words = "Answers that could not be counted by flag."
    yield from _family("burgee_evaluations_lost_total", "counter", words, [({}, lost)])


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {words}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        named = ",".join(f'{label}="{text.translate(_ESCAPED)}"' for label, text in labels.items())
        yield f"{name}{{{named}}} {value:.15g}\n" if named else f"{name} {value:.15g}\n"


def _document() -> dict[str, Any]:
    answer = {"description": "Prometheus's text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    errors = problems({**REFUSED, "404": "Not recorded here"})
    return {"summary": "Metrics for Prometheus", "tags": ["operations"], "responses": {"200": answer, **errors}}
