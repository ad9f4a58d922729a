"""Microseconds of one event through Mangum, in process: `python tests/benchmarks/mangum_path.py CPU` prints JSON.

The evaluation function itself (one flag of a hundred over OFREP), beside an empty Starlette application that has just
the route. Both take turns; what counts is the median of the rounds' processor time.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from mangum import Mangum
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.http_servers import CONTEXT, flags
from burgee.serving.bundle import Bundle, dump_bundle
from burgee.stores import Origin

PATH = "/ofrep/v1/evaluate/flags/flag-0"
ROUNDS, EVENTS = 15, 500
EVENT: dict[str, Any] = {
    "version": "2.0",
    "routeKey": "$default",
    "rawPath": PATH,
    "rawQueryString": "",
    "headers": {"content-type": "application/json", "host": "example.execute-api.eu-west-1.amazonaws.com"},
    "requestContext": {"stage": "$default", "http": {"method": "POST", "path": PATH, "sourceIp": "192.0.2.1"}},
    "body": json.dumps({"context": CONTEXT}),
    "isBase64Encoded": False,
}


def ours() -> Any:
    """The handler that is deployed, with a release in its package and no table."""
    os.environ["BURGEE_ACCESS"] = "open"
    from burgee.handlers import wiring

    with tempfile.TemporaryDirectory() as folder:
        snapshot = {"format": 1, "environment": None, "flags": flags(), "segments": {}, "holdouts": {}}
        wiring.RELEASE = f"{folder}/release.json"
        Path(wiring.RELEASE).write_bytes(dump_bundle(Bundle(snapshot, Origin())))
        from burgee.handlers import evaluate

    return evaluate.handler


def empty() -> Any:
    """Starlette with one route and nothing before or behind it."""

    async def route(_request: Any) -> Response:
        return Response(b"{}", media_type="application/json")

    return Mangum(Starlette(routes=[Route(PATH, route, methods=["POST"])]), lifespan="off")


def main() -> None:
    """Measures and prints."""
    os.sched_setaffinity(0, {int(sys.argv[1])})
    asyncio.set_event_loop(asyncio.new_event_loop())
    out, sys.stdout = sys.stdout, io.StringIO()  # where the function writes its metrics
    handlers = {"burgee": ours(), "empty": empty()}
    rounds: dict[str, list[float]] = {name: [] for name in handlers}
    for turn in range(ROUNDS + 1):
        for name, handler in handlers.items():
            start = time.process_time()
            for _ in range(EVENTS):
                answer = handler(EVENT, None)
            spent = (time.process_time() - start) / EVENTS * 1e6
            assert answer["statusCode"] == 200, answer
            rounds[name] += [spent] if turn else []
    print(json.dumps({name: round(median(one), 1) for name, one in rounds.items()}), file=out)


if __name__ == "__main__":
    main()
