"""Prints what a Lambda handler costs under AWS's runtime interface client: init to the first poll, then warm p50.

    python tests/benchmarks/lambda_start.py [HANDLER [FOLDER]]

A small server plays Lambda's runtime API, so the client is real and nothing but the handler is measured: the
time from starting the process until the client asks for its first event, and from handing out an event until
the answer has come back. `python` alone, importing the client, is the floor to subtract.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Event, Thread

ROOT = Path(__file__).parents[2]
EVENT = (ROOT / "tests/events/http-api-user-flag.json").read_bytes()
STARTS, WARM = 9, 300


class RuntimeApi(ThreadingHTTPServer):
    """Lambda's runtime API for one process: hands out `WARM` events, and notes when."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.first: float | None = None
        self.given = 0.0
        self.times: list[float] = []
        self.answers: list[bytes] = []
        self.done = Event()


class Handler(BaseHTTPRequestHandler):
    """The two routes that the client uses."""

    server: RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """GET /2018-06-01/runtime/invocation/next"""
        now = time.perf_counter()
        if self.server.first is None:
            self.server.first = now
        if len(self.server.times) >= WARM:
            self.server.done.set()
            time.sleep(60)
            return
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000000")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:f")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 10_000))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(EVENT)))
        self.end_headers()
        self.server.given = time.perf_counter()
        self.wfile.write(EVENT)

    def do_POST(self) -> None:
        """POST /2018-06-01/runtime/invocation/{id}/response, or an error"""
        self.server.times.append(time.perf_counter() - self.server.given)
        self.server.answers.append(self.rfile.read(int(self.headers["Content-Length"])))
        if "error" in self.path:
            self.server.done.set()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""


def run(handler: str, folder: Path, python: str) -> tuple[float, list[float]]:
    """Milliseconds of init, and of each invocation."""
    api = RuntimeApi()
    Thread(target=api.serve_forever, daemon=True).start()
    environment = {**os.environ, "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}"}
    started = time.perf_counter()
    with subprocess.Popen(
        [python, "-m", "awslambdaric", handler], cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        assert api.done.wait(60), "the client asked for nothing"
        process.kill()
    api.shutdown()
    assert api.first is not None
    assert json.loads(api.answers[0])["statusCode"] == 200, api.answers[0]
    return (api.first - started) * 1000, [one * 1000 for one in api.times]


def main() -> None:
    """Prints one line."""
    handler = sys.argv[1] if len(sys.argv) > 1 else "evaluate.handler"
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "functions"
    python = os.environ.get("PYTHON", sys.executable)
    runs = [run(handler, folder, python) for _ in range(STARTS)]
    init = median(one for one, _ in runs)
    first = median(times[0] for _, times in runs)
    warm = median(time for _, times in runs for time in times[20:])
    print(f"{handler}: init {init:.0f} ms, first answer {first:.1f} ms, warm p50 {warm:.2f} ms")


if __name__ == "__main__":
    main()
