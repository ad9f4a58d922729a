"""One bulk evaluation of 100 flags over HTTP, beside the same server's `/health`: p50 and requests/s on one core.

The server is pinned to the first core and asked by one process on the second, over kept connections, in rounds that
take turns, so that what else the machine does meets all alike. `python tests/benchmarks/ofrep_http.py [SECONDS]`
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from multiprocessing import Process, Queue
from statistics import median, quantiles
from typing import Any

FLAGS = 100
CONNECTIONS = 8
ROUNDS = 5


def flags() -> dict[str, Any]:
    """Half of them a boolean at 50 %, half of them five rules and a split in three."""
    rules = [
        {"when": {"country": "XX"}, "serve": "a"},
        {"when": {"plan": [f"plan-{number}" for number in range(20)]}, "serve": "a"},
        {"when": {"app_version": {"semver_gte": "9.0.0"}}, "serve": "b"},
        {"when": {"age": {"gte": 99}}, "serve": "b"},
        {"when": {"email": {"starts_with": "user-"}}, "split": {"a": 1, "b": 1, "c": 1}},
    ]
    ruled = {"status": True, "variants": {"a": "A", "b": "B", "c": "C"}, "rules": rules, "default": {"serve": "a"}}
    half = {"status": True, "rollout_percentage": 50}
    return {f"flag-{number}": half if number % 2 else ruled for number in range(FLAGS)}


def serve(port: Queue[int]) -> None:
    """The embedded service on one core."""
    import uvicorn

    from burgee.serving import Serving
    from burgee.web.evaluation import evaluation_app

    os.sched_setaffinity(0, {0})
    app = evaluation_app(Serving(bundled={"format": 1, "flags": flags()}))
    config = uvicorn.Config(app, port=0, log_level="error", access_log=False, lifespan="off")
    listener = config.bind_socket()
    listener.listen()
    port.put(listener.getsockname()[1])
    uvicorn.Server(config).run(sockets=[listener])


def request(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request on a kept connection."""
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    start = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n{head}\r\n"
    return start.encode() + body


async def ask(port: int, message: bytes, until: float) -> list[float]:
    """Seconds of each answer, one after the other on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    took = []
    while time.perf_counter() < until:
        start = time.perf_counter()
        writer.write(message)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 304")), head
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        await reader.readexactly(int(length.partition(b":")[2]))
        took.append(time.perf_counter() - start)
    writer.close()
    return took


async def load(port: int, message: bytes, connections: int, seconds: float) -> tuple[list[float], float]:
    """The times of all answers, and how many a second."""
    start = time.perf_counter()
    told = await asyncio.gather(*(ask(port, message, start + seconds) for _ in range(connections)))
    times = [one for part in told for one in part]
    return times, len(times) / (time.perf_counter() - start)


async def etag_of(port: int, message: bytes) -> str:
    """The tag of one bulk answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(message)
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    writer.close()
    return next(line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("etag"))


async def measure(port: int, seconds: float) -> None:
    """Takes turns, then prints the table."""
    context = {"targetingKey": "user-1", "email": "user-1@x.com", "plan": "free", "country": "DE", "age": 30}
    body = json.dumps({"context": context}).encode()
    url = "/ofrep/v1/evaluate/flags"
    bulk = request("POST", url, body, Content_Type="application/json")
    held = request("POST", url, body, Content_Type="application/json", If_None_Match=await etag_of(port, bulk))
    one = request("POST", f"{url}/flag-0", body, Content_Type="application/json")
    asked = {"GET /health": request("GET", "/health"), "one flag": one, "100 flags": bulk, "100 flags, 304": held}
    alone: dict[str, list[float]] = {name: [] for name in asked}
    rates: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, message in asked.items():
            alone[name] += (await load(port, message, 1, seconds))[0]
            rates[name].append((await load(port, message, CONNECTIONS, seconds))[1])
    print("| asked | p50 ms, alone | p99 ms, alone | requests/s | of /health |\n|---|---|---|---|---|")
    health = median(rates["GET /health"])
    for name, times in alone.items():
        rate, p99 = median(rates[name]), quantiles(times, n=100)[98]
        print(f"| {name} | {median(times) * 1e3:.2f} | {p99 * 1e3:.2f} | {rate:,.0f} | {rate / health:.0%} |")


def main() -> None:
    """Starts the server, measures, and ends it."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    port: Queue[int] = Queue()
    server = Process(target=serve, args=(port,), daemon=True)
    server.start()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        asyncio.run(measure(port.get(timeout=30), seconds))
    finally:
        server.terminate()
        server.join(10)


if __name__ == "__main__":
    main()
