"""Holds open pages on one `burgee serve`: its memory, the time to notify all of them, and evaluations in between.

    python tests/benchmarks/streams.py --pages 10000
    python tests/benchmarks/streams.py --pages 10000 --websockets
    python tests/benchmarks/streams.py --pages 10000 --evaluate

Pages are sockets that read. They evaluate when they are notified only with `--evaluate`, all with one public key;
without it, this is the cost of notifying alone.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import resource
import selectors
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

FLAGS = "version: 1\nflags:\n" + "".join(f"  flag{number}: {{status: on, client: true}}\n" for number in range(20))
BULK = "/ofrep/v1/evaluate/flags"
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PING = re.compile(rb"\x89\x04(....)", re.DOTALL)
_HEADERS = {"content-type": "application/json"}
_ADMIN = {"content-type": "application/json"}
CONTEXT = json.dumps({"context": {"targetingKey": "ada"}}).encode()


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--websockets", action="store_true", help="WebSockets instead of event streams.")
    parser.add_argument("--evaluate", action="store_true", help="Pages evaluate when they are notified.")
    arguments = parser.parse_args()
    pages = arguments.pages
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, pages * 2 + 1_000), hard))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "flags.yaml").write_text(FLAGS, encoding="utf-8")
        program = str(Path(sys.executable).parent / "burgee")
        command = [program, "serve", "--port", "0"]
        if arguments.evaluate:
            create = [program, "keys", "create"]
            _HEADERS["x-api-key"] = _output([*create, "client", "--name", "pages"], folder)
            _ADMIN["x-api-key"] = _output([*create, "admin", "--name", "admin", "--scope", "write"], folder)
            command.append("--require-keys")
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            words = process.stderr.readline().split()
            url = next(word for word in words if word.startswith("http://"))
            measured = _repainted if arguments.evaluate else _measured
            print(json.dumps(measured(url, process.pid, pages, websockets=arguments.websockets), indent=2))
        finally:
            began = time.monotonic()
            process.terminate()
            process.wait(30)
            print(f"stopped in {time.monotonic() - began:.1f} s")


def _measured(url: str, pid: int, pages: int, *, websockets: bool) -> dict[str, Any]:
    stream = _asked(url)["eventStreams"][0]["endpoint"]["requestUri"]
    mark, fields = b"retry: ", ""
    if websockets:
        stream, mark, fields = stream.replace("/event-stream", "/v1/live"), b"101 Switching", HANDSHAKE
    idle = _resident(pid)
    host, port = url.removeprefix("http://").split(":")
    began = time.monotonic()
    selector = _opened(url, pages, f"GET {stream} HTTP/1.1\r\nHost: {host}:{port}\r\n{fields}\r\n")
    opened = _read_until(selector, mark, pages)
    held = _resident(pid)
    quiet = _latencies(url, 200)
    moved = _kill(url)
    first = _read_until(selector, b"refetchEvaluation", 1)
    busy = _latencies(url, 200)
    last = _read_until(selector, b"refetchEvaluation", pages - first[1], sofar=first[1])
    return {
        "pages": pages,
        "websockets": websockets,
        "opened_seconds": round(opened[0] - began, 1),
        "resident_mb_without": round(idle / 2**20, 1),
        "resident_mb_with": round(held / 2**20, 1),
        "kb_for_each": round((held - idle) / 1024 / pages, 1),
        "first_notified_seconds": round(first[0] - moved, 2),
        "all_notified_seconds": round(last[0] - moved, 1),
        "evaluation_p99_ms_quiet": quiet,
        "evaluation_p99_ms_telling": busy,
    }


def _repainted(url: str, pid: int, pages: int, *, websockets: bool) -> dict[str, Any]:
    """The result of each page's evaluation after a change, and when the last had the new value."""
    assert not websockets, "they evaluate alike"
    first = _asked(url)
    stream = first["eventStreams"][0]["endpoint"]["requestUri"]
    host = url.removeprefix("http://")
    selector = _opened(url, pages, f"GET {stream} HTTP/1.1\r\nHost: {host}\r\n\r\n")
    _read_until(selector, b"retry: ", pages)
    moved = _kill(url)
    outcomes: Counter[str] = Counter()
    queue: SimpleQueue[float | None] = SimpleQueue()
    latencies: list[float] = []

    def evaluate() -> None:
        connection = http.client.HTTPConnection(host, timeout=60)
        while (at := queue.get()) is not None:
            time.sleep(max(at + 0.05 - time.monotonic(), 0))  # as long as the stock client collects messages
            began = time.monotonic()
            connection.request("POST", f"{BULK}?flagConfigEtag=2", CONTEXT, _HEADERS)
            answer = connection.getresponse()
            body = answer.read()
            latencies.append(time.monotonic() - began)
            outcomes["new value" if b'"value":false' in body else f"status {answer.status}"] += 1

    threads = [Thread(target=evaluate) for _ in range(16)]
    for thread in threads:
        thread.start()
    notified = 0
    while notified < pages:
        for key, _ in selector.select(1.0):
            page: Any = key.fileobj
            for _ in range(page.recv(65_536).count(b"refetchEvaluation")):
                notified += 1
                queue.put(time.monotonic())
    for _ in threads:
        queue.put(None)
    for thread in threads:
        thread.join()
    ended = time.monotonic()
    return {
        "pages": pages,
        "evaluated": dict(outcomes),
        "all_repainted_seconds": round(ended - moved, 1),
        "evaluation_p99_ms": round(1000 * sorted(latencies)[int(len(latencies) * 0.99)], 1),
        "resident_mb": round(_resident(pid) / 2**20, 1),
    }


def _opened(url: str, pages: int, request: str) -> selectors.BaseSelector:
    host, port = url.removeprefix("http://").split(":")
    selector = selectors.DefaultSelector()
    for _ in range(pages):
        page = socket.create_connection((host, int(port)))
        page.sendall(request.encode())
        page.setblocking(False)
        selector.register(page, selectors.EVENT_READ)
    return selector


def _kill(url: str) -> float:
    """Kills a flag; returns when that was done."""
    change = json.dumps({"reason": "measured"}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{url}/flags/flag0/kill", change, _ADMIN), timeout=30).close()
    return time.monotonic()


def _output(command: list[str], folder: str) -> str:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def _read_until(selector: selectors.BaseSelector, mark: bytes, wanted: int, sofar: int = 0) -> tuple[float, int]:
    """When so many pages have read a mark, and how many have."""
    seen, end = 0, time.monotonic() + 180
    while seen < wanted and time.monotonic() < end:
        for key, _ in selector.select(1.0):
            page: Any = key.fileobj
            data = page.recv(65_536)
            seen += data.count(mark)
            for payload in PING.findall(data):
                page.send(b"\x8a\x84\0\0\0\0" + payload)  # a pong; a client that sends none is closed
    assert seen >= wanted, f"{seen + sofar:,} pages were notified"
    return time.monotonic(), seen


def _asked(url: str) -> Any:
    request = urllib.request.Request(url + BULK, CONTEXT, _HEADERS)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def _latencies(url: str, number: int) -> float:
    taken = []
    for _ in range(number):
        began = time.perf_counter()
        _asked(url)
        taken.append(time.perf_counter() - began)
    return round(1000 * sorted(taken)[int(number * 0.99)], 1)


def _resident(pid: int) -> int:
    """The bytes that a process has in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
