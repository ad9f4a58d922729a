"""The rules themselves over HTTP, for evaluators elsewhere: `burgee.serving.http_source` reads what this writes.

They name users and tell every flag, so they are for servers, never for browsers.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from hashlib import sha256
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from starlette.responses import Response
from starlette.routing import Route

from burgee.web.exchange import exchange_of
from burgee.web.problems import holds

if TYPE_CHECKING:
    from starlette.requests import Request

    from burgee.evaluation.ruleset import Ruleset
    from burgee.serving.serving import Served


def rules_route() -> Route:
    """`GET /ruleset`: written out once for each ruleset, and 304 for who has it."""
    written: WeakKeyDictionary[Ruleset, tuple[bytes, str]] = WeakKeyDictionary()

    async def rules(request: Request) -> Response:
        serving = exchange_of(request).serving
        serving.ruleset()
        served = serving.served()
        if served.ruleset not in written:
            data = _written(served)
            written[served.ruleset] = data, f'"{sha256(data).hexdigest()[:32]}"'
        data, etag = written[served.ruleset]
        headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
        if holds(",".join(request.headers.getlist("if-none-match")), etag):
            return Response(status_code=304, headers=headers)
        return Response(data, headers=headers, media_type="application/json")

    return Route("/ruleset", rules)


def _written(served: Served) -> bytes:
    ruleset, version, source, trial = served
    body = {
        "version": version,
        "source": source,
        "release": dict(ruleset.release),
        "snapshot": ruleset.snapshot,
        "overrides": [asdict(override) for override in ruleset.overrides.values()],
        "trial": trial
        and {"bake": asdict(trial.canary), "release": dict(trial.base.release), "snapshot": trial.base.snapshot},
    }
    return json.dumps(body, separators=(",", ":")).encode()
