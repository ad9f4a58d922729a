"""`GET /ruleset`: the rules, for evaluation in other processes; `burgee.serving.http_source` reads them.

They contain user IDs and all flags, so they are for servers, never for browsers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from burgee.records import asdict
from burgee.web.exchange import Need, Route
from burgee.web.openapi import METADATA, read
from burgee.web.replies import tagged, unless_held, written

if TYPE_CHECKING:
    from burgee.evaluation.ruleset import Ruleset
    from burgee.serving.serving import Served
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply

_replies: WeakKeyDictionary[Ruleset, Reply] = WeakKeyDictionary()
EVALUATOR = b"burgee-evaluator"
"""The header field in which a process that follows this names itself, and so that it evaluates with what it has."""
_CACHE = (b"cache-control", b"private, no-cache")


async def ruleset(exchange: Exchange) -> Reply:
    """The release with its overrides, serialised once per ruleset."""
    serving = exchange.serving
    if exchange.scope["query_string"]:
        from burgee.web.catching_up import catch_up

        await catch_up(exchange)
    serving.ruleset()
    served = serving.served()
    reply = _replies.get(served.ruleset)
    if reply is None:
        reply = _replies[served.ruleset] = tagged(written(_body(served)), _CACHE)
    held = [value for name, value in exchange.scope["headers"] if name == b"if-none-match"]
    answer = unless_held(reply, str(b",".join(held), "latin-1"))
    if answer.status_code == 304 and EVALUATOR in exchange.fields:
        from burgee.web.followers import heard

        heard(exchange, served.revision)
    return answer


def _body(served: Served) -> dict[str, Any]:
    ruleset, version, source, canary, revision = served
    return {
        "version": version,
        "revision": revision,
        "source": source,
        "release": dict(ruleset.release),
        "snapshot": ruleset.snapshot,
        "overrides": [asdict(override) for override in ruleset.overrides.values()],
        "trial": canary
        and {"bake": asdict(canary.canary), "release": dict(canary.base.release), "snapshot": canary.base.snapshot},
    }


def _document() -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["version", "source", "release", "snapshot", "overrides"],
        "properties": {
            "version": {"type": "integer"},
            "revision": {"type": "integer"},
            "source": {"enum": ["store", "bundled", "none"]},
            "release": METADATA,
            "snapshot": {"type": "object", "required": ["flags"]},
            "overrides": {"type": "array", "items": {"type": "object", "required": ["flag", "definition"]}},
            "trial": {"type": ["object", "null"], "required": ["bake", "release", "snapshot"]},
        },
    }
    return read("The release with its overrides, for evaluation in another process", schema)


ROUTES = [Route("GET", "/ruleset", Need.RULES, "rules", ruleset, _document)]
