"""Holds open pages on one `burgee serve`: its memory, the time to notify all of them, and evaluations in between.

    python tests/benchmarks/streams.py --pages 10000
    python tests/benchmarks/streams.py --pages 10000 --websockets

Pages are sockets that read; none of them evaluates when it is notified, so this is the cost of notifying alone.
"""

from __future__ import annotations

import argparse
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
from pathlib import Path
from typing import Any

FLAGS = "version: 1\nflags:\n" + "".join(f"  flag{number}: {{status: on}}\n" for number in range(20))
BULK = "/ofrep/v1/evaluate/flags"
HANDSHAKE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PING = re.compile(rb"\x89\x04(....)", re.DOTALL)
CONTEXT = json.dumps({"context": {"targetingKey": "ada"}}).encode()


def main() -> None:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=10_000)
    parser.add_argument("--websockets", action="store_true", help="WebSockets instead of event streams.")
    arguments = parser.parse_args()
    pages = arguments.pages
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, pages * 2 + 1_000), hard))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "flags.yaml").write_text(FLAGS, encoding="utf-8")
        program = str(Path(sys.executable).parent / "burgee")
        command = [program, "serve", "--port", "0"]
        process = subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            words = process.stderr.readline().split()
            url = next(word for word in words if word.startswith("http://"))
            print(json.dumps(_measured(url, process.pid, pages, websockets=arguments.websockets), indent=2))
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
    selector = selectors.DefaultSelector()
    began = time.monotonic()
    for _ in range(pages):
        page = socket.create_connection((host, int(port)))
        page.sendall(f"GET {stream} HTTP/1.1\r\nHost: {host}:{port}\r\n{fields}\r\n".encode())
        page.setblocking(False)
        selector.register(page, selectors.EVENT_READ)
    opened = _read_until(selector, mark, pages)
    held = _resident(pid)
    quiet = _latencies(url, 200)
    change = json.dumps({"reason": "measured"}).encode()
    killed = urllib.request.Request(f"{url}/flags/flag0/kill", change, {"Content-Type": "application/json"})
    urllib.request.urlopen(killed, timeout=30).close()
    moved = time.monotonic()
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
        "first_told_seconds": round(first[0] - moved, 2),
        "all_told_seconds": round(last[0] - moved, 1),
        "evaluation_p99_ms_quiet": quiet,
        "evaluation_p99_ms_telling": busy,
    }


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
    request = urllib.request.Request(url + BULK, CONTEXT, {"Content-Type": "application/json"})
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
