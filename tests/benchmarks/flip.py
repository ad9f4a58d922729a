"""Prints how a flip of the live release reaches eight servers under load, and what callers see of it.

    python tests/benchmarks/flip.py [FLIPS, default 5] [REFRESH SECONDS, default 10]

Eight processes evaluate from one DynamoDB that speaks the wire protocol (MiniStack), each asked for bulks of twenty
flags without a pause. Every other flip is a trial for half of the users, promoted when all servers have it. All flags
of a release have the same value, so a bulk that mixes two releases shows.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import quantiles
from threading import Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import uvicorn

from burgee.releases.deploy import CanaryRequest, Consent, apply, promote
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.dynamodb_http import Wire
from burgee.web.evaluation_app import evaluation_app
from support.dynamodb import CREDENTIALS, ministack, table_at
from support.lambda_runtime import free_port

WORKERS = 8
FLAGS = 20


def work(url: str, port: int, refresh: float) -> None:
    """One server, until it is ended."""
    store = DynamoDbStore("flags", client=Wire({**os.environ, "AWS_ENDPOINT_URL": url}))
    serving = Serving(store, refresh_seconds=refresh, patience=0)
    uvicorn.run(evaluation_app(serving), port=port, log_level="error", lifespan="off")


def snapshot(number: int) -> dict[str, Any]:
    """Release `number`: every flag has its number as value."""
    flag = {"status": True, "variants": {"it": number}, "default": {"serve": "it"}}
    flags = {f"f{index}": flag for index in range(FLAGS)}
    return {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}


class Caller:
    """Asks one server for bulks, and notes what comes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests = self.failed = self.mixed = 0
        self.versions: list[tuple[float, int]] = []
        self.times: list[float] = []
        self.running = True

    def run(self) -> None:
        """Until stopped."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while self.running:
            user = f"user-{self.requests}"
            started = time.perf_counter()
            try:
                body = json.dumps({"context": {"targetingKey": user}})
                connection.request("POST", "/ofrep/v1/evaluate/flags", body)
                response = connection.getresponse()
                reported = json.loads(response.read())
            except (OSError, ValueError, http.client.HTTPException):
                self.failed += 1
                connection.close()
                continue
            self.times.append(time.perf_counter() - started)
            self.note(response.status, reported)

    def note(self, status: int, reported: dict[str, Any]) -> None:
        """One answer."""
        self.requests += 1
        if status != 200:
            self.failed += 1
            return
        values = {flag["value"] for flag in reported["flags"]} | {
            flag["metadata"]["version"] for flag in reported["flags"]
        }
        values.add(reported["metadata"]["version"])
        if len(values) > 1 or len(reported["flags"]) != FLAGS:
            self.mixed += 1
        version = reported["metadata"]["version"]
        self.versions.append((time.monotonic(), version))

    def first(self, version: int, since: float) -> float | None:
        """When it first answered with a version, in seconds."""
        return next((at - since for at, seen in self.versions if seen == version), None)


def reach(callers: list[Caller], version: int, since: float) -> float:
    """The seconds until the last server answered with a version."""
    while True:
        seen = [caller.first(version, since) for caller in callers]
        if None not in seen:
            return max(one for one in seen if one is not None)
        time.sleep(0.05)


def measure(store: DynamoDbStore, callers: list[Caller], flips: int) -> None:
    """Flips, and prints a line for each."""
    print("flip               all 8 serve it after s")
    for number in range(2, flips + 2):
        canary = CanaryRequest(50, 3600) if number % 2 else None
        act, started = AuditContext("release.activate", "bench", "", time.time()), time.monotonic()
        apply(store, snapshot(number), Origin(), act, Consent(canary=canary))
        took = reach(callers, number, started)
        print(f"{'trial for half' if canary else 'for all':18} {took:23.2f}", flush=True)
        if canary is not None:
            promote(store, AuditContext("release.promote", "bench", "", time.time()))
        time.sleep(1)


def main() -> None:
    """Prints the table."""
    flips = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    refresh = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    os.environ.update(CREDENTIALS)
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ministack(Path(folder)) as url:
        store = table_at(url)
        apply(store, snapshot(1), Origin(), AuditContext("release.activate", "bench", "", time.time()))
        ports = [free_port() for _ in range(WORKERS)]
        workers = [spawn.Process(target=work, args=(url, port, refresh), daemon=True) for port in ports]
        for worker in workers:
            worker.start()
        callers = [Caller(port) for port in ports]
        for caller in callers:
            wait(caller.port)
        threads = [Thread(target=caller.run, daemon=True) for caller in callers]
        for thread in threads:
            thread.start()
        time.sleep(1)
        measure(store, callers, flips)
        for caller in callers:
            caller.running = False
        for thread in threads:
            thread.join()
        for worker in workers:
            worker.terminate()
            worker.join()
        store.close()
    p99 = quantiles([one for caller in callers for one in caller.times], n=100)[98] * 1000
    requests, failed = sum(caller.requests for caller in callers), sum(caller.failed for caller in callers)
    mixed = sum(caller.mixed for caller in callers)
    print(f"requests {requests:,}, failed {failed}, bulks that mix two releases {mixed}, p99 {p99:.1f} ms")


def wait(port: int) -> None:
    """Until a server answers."""
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
