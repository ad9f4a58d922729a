"""Lambda's runtime API for one process: hands out events, and notes when, and what the process needed by then."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.machine import PIN, resident

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Served(NamedTuple):
    """What one process did: milliseconds, answers as API Gateway would read them, and MiB.

    `init` is the time from starting the process until it asks for its first event, `cpu` the processor time of that,
    `times` those from handing out an event until its answer came back, and `before` and `after` the memory held when
    the first event was asked for and when the last had been answered.
    """

    init: float
    cpu: float
    times: list[float]
    answers: list[Any]
    before: float
    after: float


def serve(python: str, handler: str, folder: Path, environment: Mapping[str, str], events: Sequence[bytes]) -> Served:
    """Starts a handler under AWS's runtime client, and gives it events until there are no more."""
    api = _Api(events)
    Thread(target=api.serve_forever, args=(0.05,), daemon=True).start()
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        **environment,
    }
    command = [*PIN, python, "-m", "awslambdaric", handler]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=variables, stdout=subprocess.DEVNULL) as process:
        api.process = process.pid
        answered = api.done.wait(300)
        after = resident(process.pid) if answered else 0
        process.kill()
    api.shutdown()
    api.server_close()
    assert answered, f"{handler} did not answer {len(events)} events within five minutes"
    answers = [json.loads(answer) for answer in api.answers]
    for answer in answers:
        assert answer.get("statusCode") == 200, answer
    return Served((api.first - started) * 1000, api.cpu, api.times, answers, api.before, after)


class _Api(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, events: Sequence[bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Routes)
        self.events = events
        self.process = 0
        self.first = self.cpu = self.before = self.given = 0.0
        self.times: list[float] = []
        self.answers: list[bytes] = []
        self.done = Event()


class _Routes(BaseHTTPRequestHandler):
    """The two routes that the client uses."""

    server: _Api
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """GET /2018-06-01/runtime/invocation/next"""
        api, now = self.server, time.perf_counter()
        if not api.first:
            api.first = now
            with suppress(OSError):
                tasks = Path(f"/proc/{api.process}/task").glob("*/schedstat")
                api.cpu = sum(int(task.read_text().split()[0]) for task in tasks) / 1e6
                api.before = resident(api.process)
        if len(api.times) >= len(api.events):
            api.done.set()
            time.sleep(60)
            return
        event = api.events[len(api.times)]
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000000")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:f")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 10_000))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(event)))
        self.end_headers()
        api.given = time.perf_counter()
        self.wfile.write(event)

    def do_POST(self) -> None:
        """POST /2018-06-01/runtime/invocation/{id}/response, or an error"""
        api = self.server
        api.times.append((time.perf_counter() - api.given) * 1000)
        api.answers.append(self.rfile.read(int(self.headers["Content-Length"])))
        if "error" in self.path:
            api.done.set()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""
