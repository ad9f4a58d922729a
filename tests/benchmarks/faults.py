"""Prints what callers see while the table is slow, throttled, refusing, corrupt and absent, in turn.

    python tests/benchmarks/faults.py [SECONDS PER PHASE, default 60]

A real server evaluates from a DynamoDB that speaks the wire protocol (MiniStack); faults are put into botocore. Every
answer is compared with the formula. A poll is due five times a second here, against once in ten seconds by default,
so that each phase sees many failing polls. As in `burgee serve --table`, polls go on beside the
answers.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from statistics import median, quantiles
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import uvicorn
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from burgee.web.routes.evaluation import evaluation_app
from support.dynamodb import CREDENTIALS, ministack, table_at

SNAPSHOT = {
    "format": 1,
    "environment": None,
    "flags": {"half": {"status": True, "rollout_percentage": 50}},
    "segments": {},
    "holdouts": {},
}
POLLING = {
    "connect_timeout": 0.5,
    "read_timeout": 0.5,
    "retries": {"mode": "standard", "total_max_attempts": 2},
    "tcp_keepalive": True,
}
PHASES = ["calm", "slow", "throttled", "refusing", "corrupt", "absent", "calm again"]


class Faults:
    """What the store's client meets."""

    def __init__(self, store: DynamoDbStore) -> None:
        self.phase = "calm"
        self.met = 0
        store.client.meta.events.register_first("before-send.dynamodb", self.meet)
        store.client.meta.events.register("after-call.dynamodb.GetItem", self.damage)

    def damage(self, parsed: Any, **_more: Any) -> None:
        """One bit of a chunk, on its way."""
        data = parsed.get("Item", {}).get("data")
        if self.phase == "corrupt" and data:
            self.met += 1
            data["B"] = data["B"][:-1] + bytes([data["B"][-1] ^ 1])

    def meet(self, request: Any, **_more: Any) -> Any:
        if self.phase in {"calm", "corrupt", "calm again"}:
            return None
        self.met += 1
        if self.phase == "slow":
            time.sleep(0.5)
            raise ConnectTimeoutError(endpoint_url=request.url)
        if self.phase == "absent":
            raise EndpointConnectionError(endpoint_url=request.url, error="injected")
        return _refusal("ThrottlingException" if self.phase == "throttled" else "AccessDeniedException")


def _refusal(code: str) -> Any:
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders

    class Raw:
        def stream(self, **_more: Any) -> Any:
            yield json.dumps({"__type": f"x#{code}", "message": "injected"}).encode()

    return AWSResponse("https://dynamodb", 400, HTTPHeaders(), Raw())


def load(port: int, seconds: float, seed: int, times: list[float], wrong: list[str]) -> None:
    """Asks until the time is over; notes how long each answer took, and what was wrong or did not come."""
    source = random.Random(seed)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        user = f"{source.getrandbits(40):x}"
        started = time.perf_counter()
        try:
            connection.request("GET", f"/users/{user}/flags/half")
            response = connection.getresponse()
            body = json.loads(response.read())
        except (OSError, http.client.HTTPException) as error:
            wrong.append(repr(error))
            connection.close()
            continue
        times.append(time.perf_counter() - started)
        expected = int(sha256(f"{user}:half".encode()).hexdigest(), 16) % 100 < 50
        if response.status != 200 or body["enabled"] is not expected:
            wrong.append(f"{response.status} {body}")


def main() -> None:
    """Prints the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory() as folder, ministack(Path(folder)) as url:
        writer = table_at(url)
        apply(writer, SNAPSHOT, Origin(), AuditContext("release.activate", "bench", "", time.time()))
        store = DynamoDbStore("flags", endpoint_url=url, config=POLLING)
        faults = Faults(store)
        serving = Serving(store, refresh_seconds=0.2, patience=0)
        server = uvicorn.Server(uvicorn.Config(evaluation_app(serving), port=0, log_level="error", lifespan="off"))
        Thread(target=server.run, daemon=True).start()
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        print("phase         requests    wrong or failed  polls failed    p50 ms    p99 ms")
        for number, phase in enumerate(PHASES):
            faults.phase, faults.met = phase, 0
            times: list[float] = []
            wrong: list[str] = []
            if phase == "corrupt":  # something new to load, so that the corrupt chunk is met
                changed = {**SNAPSHOT, "flags": {**SNAPSHOT["flags"], f"f{number}": {"status": True}}}  # type: ignore[dict-item]
                apply(writer, changed, Origin(), AuditContext("release.activate", "bench", "", time.time()))
            threads = [Thread(target=load, args=(port, seconds, number * 10 + n, times, wrong)) for n in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            p99 = quantiles(times, n=100)[98] * 1000
            print(
                f"{phase:12} {len(times):9,} {len(wrong):18} {faults.met:13} {median(times) * 1000:9.2f} {p99:9.2f}"
            )
        server.should_exit = True
        store.close()
        writer.close()


if __name__ == "__main__":
    main()
