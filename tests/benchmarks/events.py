"""How many records a second `POST /v1/events` accepts on one core, each on the disk before its request is answered.

    .venv/bin/python tests/benchmarks/events.py [--seconds 10] [--folder /where/the/disk/is]

The real route, called as an ASGI server calls it, one request after the other: 500 records in each, half of them
exposures; JSON lines, fdatasync before each answer. A server's own work (uvicorn, TLS) is not in it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.events.jsonl_sink import JsonlSink
from burgee.events.recorder import Recorder
from burgee.events.records import MAX_RECORDS, Pseudonyms, RecordScope
from burgee.serving.serving import Serving
from burgee.web.evaluation_app import evaluation_app
from burgee.web.front import Setup

if TYPE_CHECKING:
    from starlette.types import ASGIApp

SNAPSHOT = {"format": 1, "flags": {"checkout_button": {"status": True, "rollout_percentage": 50}}}
SECRET = "1:not-a-real-secret"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for named, scope in (("units as they are", RecordScope()), ("units as keyed hashes", secret())):
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            asyncio.run(measure(named, scope, Path(folder), options.seconds))


def secret() -> RecordScope:
    return RecordScope(pseudonyms=Pseudonyms.parse(SECRET))


async def measure(named: str, scope: RecordScope, folder: Path, seconds: float) -> None:
    setup = Setup(limits=None, recorder=Recorder(JsonlSink(folder), scope))
    app = evaluation_app(Serving(None, SNAPSHOT), setup=setup)
    bodies = [body(number) for number in range(20)]
    for one in bodies[:3]:
        await post(app, one)
    taken: list[float] = []
    started, worked = time.perf_counter(), time.process_time()
    while (now := time.perf_counter()) - started < seconds:
        await post(app, bodies[len(taken) % len(bodies)])
        taken.append(time.perf_counter() - now)
    wall, cpu = time.perf_counter() - started, time.process_time() - worked
    lines = sum(path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl"))
    assert lines == (len(taken) + 3) * MAX_RECORDS, "every record that was acknowledged is on the disk"
    each = sum(path.stat().st_size for path in folder.glob("*.jsonl")) / lines
    percentiles = statistics.quantiles(taken, n=100)
    print(
        f"{named}: {len(taken) * MAX_RECORDS / wall:,.0f} records a second ({each:.0f} bytes each on the disk); "
        f"a request of {MAX_RECORDS} takes {percentiles[49] * 1e3:.1f} ms, p99 {percentiles[98] * 1e3:.1f} ms; "
        f"processor time alone would allow {len(taken) * MAX_RECORDS / cpu:,.0f}"
    )


def body(number: int) -> bytes:
    """A batch as a shop would send it."""
    records: list[dict[str, Any]] = []
    for i in range(MAX_RECORDS // 2):
        unit = f"user-{number * 1000 + i}"
        exposed = {"flag": "checkout_button", "variant": "on", "reason": "SPLIT", "rule": "default", "release": "7"}
        records.append({"type": "exposure", "event_id": f"x{number}-{i}", "unit": unit, **exposed})
        did = {"event": "order_placed", "properties": {"amount": 12.5 + i, "country": "DE"}}
        records.append({"type": "track", "event_id": f"t{number}-{i}", "unit": unit, **did})
    return json.dumps({"events": records}).encode()


async def post(app: ASGIApp, data: bytes) -> None:
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": b"",
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(data)).encode()),
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert sent[0]["status"] == 200, sent
    assert json.loads(sent[1]["body"])["accepted"] == MAX_RECORDS


if __name__ == "__main__":
    main()
