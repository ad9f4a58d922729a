"""Servers for `over_http.py`, each on one CPU: `python tests/benchmarks/http_servers.py NAME CPU` prints its port.

`constant` answers bytes; `fastapi` has a route with a response model, and one that also takes a model: both with
uvicorn's own settings, but for its log. `open` and `keyed` are this project's service as `burgee serve` runs it, for
this machine alone and with keys and limits.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

FLAGS = 100
CONTEXT = {"targetingKey": "user-1", "email": "user-1@x.com", "plan": "free", "country": "DE", "age": 30}
PLANS = [f"plan-{number}" for number in range(20)]
ANSWER: dict[str, Any] = {
    "key": "flag-0",
    "reason": "SPLIT",
    "variant": "b",
    "value": "B",
    "metadata": {"version": 1},
}


def flags(number: int = FLAGS) -> dict[str, Any]:
    """Half of them five rules and a split in three, half of them a boolean at 50 %."""
    rules = [
        {"when": {"country": "XX"}, "serve": "a"},
        {"when": {"plan": PLANS}, "serve": "a"},
        {"when": {"app_version": {"semver_gt": "9.0.0"}}, "serve": "b"},
        {"when": {"age": {"gte": 99}}, "serve": "b"},
        {"when": {"email": {"starts_with": "user-"}}, "split": {"a": 1, "b": 1, "c": 1}},
    ]
    ruled = {"status": True, "variants": {"a": "A", "b": "B", "c": "C"}, "rules": rules, "default": {"serve": "a"}}
    half = {"status": True, "rollout_percentage": 50}
    return {f"flag-{at}": {"client": True, **(half if at % 2 else ruled)} for at in range(number)}


def constant() -> ASGIApp:
    """The same bytes for every request, once its body is read."""
    body = b'{"key":"flag-0","reason":"SPLIT","variant":"b","value":"B","metadata":{"version":1}}'
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def fastapi() -> ASGIApp:
    """What a team would write: models in and out, and nothing evaluated."""
    from fastapi import FastAPI
    from pydantic import BaseModel

    app = FastAPI()

    class Answer(BaseModel):
        key: str
        reason: str
        variant: str
        value: Any
        metadata: dict[str, str | int | float | bool]

    class Question(BaseModel):
        context: dict[str, Any]

    async def get(key: str) -> Answer:
        return Answer(**{**ANSWER, "key": key})

    async def post(key: str, question: Question) -> Answer:
        return Answer(**{**ANSWER, "key": key if question.context else ""})

    # Given as values, because these models are nobody's but this function's.
    get.__annotations__ = {"key": str}
    post.__annotations__ = {"key": str, "question": Question}
    app.get("/flags/{key}", response_model=Answer)(get)
    app.post("/flags/{key}", response_model=Answer)(post)
    return app


def service(*, keyed: bool) -> tuple[ASGIApp, str]:
    """The whole service over a file, recording as `burgee serve` does, and a client key to it."""
    from burgee.access.key_cache import KeyRing
    from burgee.access.keys import Kind
    from burgee.cli.serve import LOOPBACK
    from burgee.events.jsonl_sink import JsonlSink
    from burgee.events.recorder import Recorder
    from burgee.events.records import RecordScope as Recorded
    from burgee.records import replace
    from burgee.releases.deploy import apply
    from burgee.serving.serving import Serving
    from burgee.stores import Origin, Tenant
    from burgee.stores.audit import AuditContext
    from burgee.stores.sqlite import SqliteStore
    from burgee.web.app import create_app
    from burgee.web.front import Setup
    from burgee.web.protection.rate_limits import Limits
    from burgee.web.protection.token_buckets import Rate
    from support.keys import token

    folder = Path(tempfile.mkdtemp(prefix="burgee-bench-"))
    store = SqliteStore(folder / "state.sqlite", Tenant("default", "default"))
    snapshot = {"format": 1, "environment": None, "flags": flags(), "segments": {}, "holdouts": {}}
    apply(store, snapshot, Origin(), AuditContext("release.activate", "bench", "", 1_795_000_000.0))
    # Limits that are kept and never reached: what is measured is the keeping.
    limits = Limits(evaluate=Rate("evaluate", 1e6, 10_000_000))
    recorder = Recorder(JsonlSink(folder / "events"), Recorded("default", "default"))
    setup = Setup(ring=KeyRing(store), limits=limits) if keyed else Setup(hosts=LOOPBACK)
    app = create_app(store, Serving(store, refresh_seconds=1), replace(setup, recorder=recorder))
    return app.front, token(store, Kind.CLIENT)


def main() -> None:
    """Serves until it is ended."""
    import uvicorn

    from burgee.cli.serve import config

    name, cpu = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, {cpu})
    key = "-"
    if name in {"open", "keyed"}:
        app, key = service(keyed=name == "keyed")
        ready = config(app, port=0)
    else:
        plain = {"constant": constant, "fastapi": fastapi}[name]()
        ready = uvicorn.Config(plain, port=0, log_level="error", access_log=False, lifespan="off")
    listener = ready.bind_socket()
    print(listener.getsockname()[1], key, flush=True)
    uvicorn.Server(ready).run(sockets=[listener])


if __name__ == "__main__":
    main()
