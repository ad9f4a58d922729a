"""Prints what callers with API keys see while the table hangs, fails, throttles, resets, talks nonsense and lags.

    python tests/benchmarks/faults.py [SECONDS PER PHASE, default 50] [REQUESTS A SECOND, default 200]

A process of its own serves a table as `burgee serve --table` does, with keys asked for. Its table is MiniStack behind
a proxy that makes the faults on the wire, so the client, its timeouts and its retries are the real ones. The load is
open: requests are sent when they are due, whatever happened to earlier ones, and their time counts from then. Every
answer is compared with what it must be. In between come keys that nobody made, which are not failures when refused.

A poll is due once a second, and a key is read again after five, not after ten and fifty, so that each phase sees many
of both. While reads are stale, a flag is turned off through the same process, and must be off from its answer on.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import deque
from contextlib import suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from statistics import quantiles
from threading import Event, Thread
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import resident
from benchmarks.paced import Connection
from burgee.access import key_cache
from burgee.access.keys import Kind, create
from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from support.dynamodb import CREDENTIALS, ministack, table_at
from support.keys import ALL
from support.lambda_runtime import free_port
from support.waiting import eventually

SNAPSHOT: dict[str, Any] = {
    "format": 1,
    "environment": None,
    "flags": {"half": {"status": True, "rollout_percentage": 50}, "switch": {"status": True}},
    "segments": {},
    "holdouts": {},
}
PHASES = ("calm", "hang", "500", "throttle", "reset", "garbage", "corrupt", "denied", "stale", "calm again")
GARBAGE = (
    b"",
    b"<html>it works</html>",
    b"[]",
    b"null",
    b'{"Item": 5}',
    b'{"Item": {"record": {"B": "bnV',
    b"\xff\xfe",
)
KEYS = 50
CONNECTIONS = 64
GRACE = 30.0


class Table(ThreadingHTTPServer):
    """A proxy before the table, with a fault."""

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__(("127.0.0.1", 0), Fault)
        self.behind = behind.removeprefix("http://")
        self.over = Event()
        self.answers: dict[bytes, tuple[int, bytes]] = {}
        self.begin("calm")
        Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def begin(self, phase: str) -> None:
        """What happens from now on."""
        self.over.set()
        self.phase, self.over, self.met, self.number = phase, Event(), 0, count()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections break here on purpose."""


class Fault(BaseHTTPRequestHandler):
    """Answers as the table would, or as the phase has it."""

    server: Table
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        table, phase = self.server, self.server.phase
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if phase in {"calm", "calm again"}:
            self._answer(*self._forwarded(body))
            return
        table.met += 1
        if phase == "hang":
            table.over.wait(60)
            self.close_connection = True
        elif phase == "500":
            self._answer(500, b'{"__type": "x#InternalServerError", "message": "injected"}')
        elif phase in {"throttle", "denied"}:
            code = "ThrottlingException" if phase == "throttle" else "AccessDeniedException"
            self._answer(400, json.dumps({"__type": f"x#{code}", "message": "injected"}).encode())
        elif phase == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif phase == "garbage":
            self._answer(200, GARBAGE[next(table.number) % len(GARBAGE)])
        elif phase == "corrupt":
            status, answer = self._forwarded(body)
            self._answer(status, _flipped(answer))
        else:  # stale
            self._answer(*(table.answers.get(body) or self._forwarded(body)))

    def _forwarded(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.server.behind, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        connection.request("POST", self.path, body, headers)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        if self.server.phase != "stale" and b'"ConsistentRead": false' in body:
            self.server.answers[body] = answer
        return answer

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""


def _flipped(answer: bytes) -> bytes:
    """An answer with one bit of a chunk, or of a record, turned."""
    reported = json.loads(answer)
    for name in ("data", "record"):
        value = reported.get("Item", {}).get(name)
        if value:
            text = value["B"]
            value["B"] = ("B" if text[0] == "A" else "A") + text[1:]
    return json.dumps(reported).encode()


def serve(port: int) -> None:
    """The server's process: a table, with keys asked for."""
    import uvicorn

    from burgee.web.app import create_app
    from burgee.web.front import Setup

    key_cache.READ_SECONDS, key_cache.KNOWN_SECONDS, key_cache.RETRY_SECONDS = 5.0, 5.5, 1.0
    store = DynamoDbStore("flags", endpoint_url=os.environ["TABLE_URL"])
    ring = key_cache.KeyRing(store)
    app = create_app(store, Serving(store, refresh_seconds=1.0, patience=0), Setup(ring=ring, limits=None))
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", lifespan="off")


class Asker(Connection):
    """A connection that knows what the answer must be; None for a key that nobody made."""

    expected: bool | None = True

    def answered(self) -> bool:
        """Whether the answer is whole; OSError where the server hung up."""
        self._read += self.socket.recv(1 << 16)
        head, gap, body = self._read.partition(b"\r\n\r\n")
        if not self._read:
            raise OSError("the server hung up")
        if not gap:
            return False
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        self.status, self.body = int(head[9:12]), body
        return len(body) >= length

    def fault(self) -> str | None:
        """What is wrong with the answer."""
        if self.expected is None:
            return None if self.status in {401, 429, 503} else f"a guess: {self.status} {self.body!r}"
        if self.status != 200:
            return f"failed: {self.status} {self.body!r}"
        return None if json.loads(self.body)["enabled"] is self.expected else f"wrong: {self.body!r}"


class Load:
    """Requests at a constant rate, from several keys, and what came of them."""

    def __init__(self, port: int, keys: list[str], rate: float) -> None:
        self.port, self.keys, self.rate = port, keys, rate
        self.chance = random.Random(1)
        self.switch = True

    def run(self, seconds: float) -> tuple[list[float], list[str]]:
        """Seconds of every answer to a key that is one, and what failed or was wrong."""
        free = deque(Asker(self.port) for _ in range(CONNECTIONS))
        poll, busy = select.epoll(), dict[int, Asker]()
        total, sent, done = int(self.rate * seconds), 0, 0
        took, faults = list[float](), list[str]()
        start = time.perf_counter()
        while done < total:
            now = time.perf_counter()
            if now > start + seconds + GRACE:
                faults += [f"failed: no answer in {GRACE:.0f} s"] * (total - done)
                break
            while sent < total and free and start + sent / self.rate <= now:
                one = free.popleft()
                one.ask(self._message(one, sent), start + sent / self.rate)
                busy[one.socket.fileno()] = one
                poll.register(one.socket.fileno(), select.EPOLLIN)
                sent += 1
            due = start + sent / self.rate - now if sent < total and free else 0.05
            for number, _ in poll.poll(max(due, 0.0)):
                one = busy[number]
                try:
                    if not one.answered():
                        continue
                    fault = one.fault()
                except OSError as error:
                    fault = f"failed: {error!r}"
                poll.unregister(number)
                del busy[number]
                done += 1
                if one.expected is not None:
                    took.append(time.perf_counter() - one.due)
                if fault is not None:
                    faults.append(fault)
                free.append(one if fault is None else Asker(self.port))
        poll.close()
        for asker in [*free, *busy.values()]:
            asker.socket.close()
        return took, faults

    def _message(self, one: Asker, number: int) -> bytes:
        user, key = f"{self.chance.getrandbits(40):x}", self.keys[number % len(self.keys)]
        flag = "switch" if number % 5 == 0 else "half"
        one.expected = (
            self.switch if flag == "switch" else int(sha256(f"{user}:half".encode()).hexdigest(), 16) % 100 < 50
        )
        if number % 40 == 7:
            key, one.expected = f"{key[:-81]}{self.chance.getrandbits(64):016x}_{'0' * 64}", None
        return f"GET /users/{user}/flags/{flag} HTTP/1.1\r\nHost: x\r\nX-API-Key: {key}\r\n\r\n".encode()


def put(port: int, admin: str, status: bool) -> None:
    """Turns the switch through the server."""
    headers = {"X-API-Key": admin, "Content-Type": "application/json", "X-Burgee-Reason": "bench"}
    body = json.dumps({"status": status}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/flags/switch", body, headers, method="PUT")
    urllib.request.urlopen(request, timeout=30).close()


def main() -> None:
    """Prints the table."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 50
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 200
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory() as folder, ministack(Path(folder)) as url:
        writer = table_at(url)
        now = time.time()
        apply(writer, SNAPSHOT, Origin(), AuditContext("release.activate", "bench", "", now))
        act = AuditContext("key.create", "bench", "", now)
        keys = [create(writer, Kind.SERVER, f"app {number}", act).token for number in range(KEYS)]
        admin = create(writer, Kind.ADMIN, "bench", act, ALL).token
        table, port = Table(url), free_port()
        environment = {**os.environ, "TABLE_URL": f"http://127.0.0.1:{table.server_port}"}
        with subprocess.Popen([sys.executable, __file__, "--serve", str(port)], env=environment) as server:
            try:
                _run(Load(port, keys, rate), table, writer, admin, server.pid, seconds)
            finally:
                server.terminate()
        writer.close()


def _run(  # noqa: PLR0917 - called once
    load: Load, table: Table, writer: DynamoDbStore, admin: str, pid: int, seconds: float
) -> None:
    def starts() -> bool:
        with suppress(OSError):
            put(load.port, admin, True)
            return True
        return False

    eventually(starts, lambda: "the server does not start")
    load.run(5)  # every key is known, and what the first request imports is imported
    print("phase        answers  failed  wrong  reads that failed    p50 ms    p99 ms  p99.9 ms   MiB")
    for number, phase in enumerate(PHASES):
        if phase == "corrupt":  # something new to load, so that the corrupt chunk is met
            changed = {**SNAPSHOT, "flags": {**SNAPSHOT["flags"], f"f{number}": {"status": True}}}
            apply(writer, changed, Origin(), AuditContext("release.activate", "bench", "", time.time()))
        table.begin(phase)
        if phase == "stale":
            put(load.port, admin, False)
            load.switch = False
        took, faults = load.run(seconds)
        failed = sum(fault.startswith("failed") for fault in faults)
        cuts = [cut * 1000 for cut in quantiles(took, n=1000)]
        row = f"{phase:11} {len(took):8,} {failed:7} {len(faults) - failed:6} {table.met:18,}"
        print(f"{row} {cuts[499]:9.2f} {cuts[989]:9.2f} {cuts[998]:9.2f} {resident(pid):5.0f}", flush=True)
        for fault in dict.fromkeys(faults[:3]):
            print(f"    {fault}")
        if phase == "stale":
            table.begin("calm")
            put(load.port, admin, True)
            load.switch = True


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
    else:
        main()
