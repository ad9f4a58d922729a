"""Runs a handler under AWS's own runtime interface client and emulator, without Docker."""

from __future__ import annotations

import json
import os
import platform
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from support.planted import SEARCH
from support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EVENTS = Path(__file__).parents[1] / "events"
FUNCTIONS = Path(__file__).parents[2] / "functions"


def emulator() -> Path | None:
    """AWS's runtime interface emulator, which comes with the SAM CLI; None where it does not run."""
    spec = find_spec("samcli")
    if spec is None or spec.origin is None or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return None
    path = Path(spec.origin).parent / "local/rapid/aws-lambda-rie-x86_64"
    return path if path.exists() else None


def event(name: str) -> Any:
    """One of the events that `sam local invoke` takes too."""
    return json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))


class Function:
    """A running Lambda function."""

    def __init__(self, port: int, log: Path) -> None:
        self._url = f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations"
        self._log = log

    def __call__(self, payload: Any) -> Any:
        def look() -> list[Any]:
            with (
                suppress(urllib.error.URLError, ConnectionError),
                urllib.request.urlopen(self._url, json.dumps(payload).encode(), timeout=PATIENCE) as response,
            ):
                return [json.loads(response.read())]
            return []

        (answer,) = eventually(look, lambda: self._log.read_text(encoding="utf-8"))
        return answer


@contextmanager
def function(
    handler: str, code: Path, log: Path, environment: Mapping[str, str], python: str = sys.executable
) -> Iterator[Function]:
    """A function from a folder of code, gone when the block ends."""
    binary = emulator()
    assert binary is not None
    binary.chmod(0o755)
    front, inner = free_port(), free_port()
    command = [str(binary), "--runtime-interface-emulator-address", f"127.0.0.1:{front}"]
    command += ["--runtime-api-address", f"127.0.0.1:{inner}", python, "-m", "awslambdaric", handler]
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command, cwd=code, stdout=output, stderr=output, env={**os.environ, **environment}, start_new_session=True
        )
        try:
            yield Function(front, log)
        finally:
            os.killpg(process.pid, 9)
            process.wait()
    SEARCH.look(log.read_text(encoding="utf-8"), f"the log of {handler}")


class CloudFormation(HTTPServer):
    """The address that a custom resource answers to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.reported: list[dict[str, Any]] = []
        Thread(target=self.serve_forever, daemon=True).start()

    def request(self, kind: str, **properties: Any) -> dict[str, Any]:
        return {
            "RequestType": kind,
            "ResponseURL": f"http://127.0.0.1:{self.server_port}/answer",
            "StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/flags/1",
            "RequestId": "request",
            "LogicalResourceId": "Flags",
            "ResourceProperties": {"ServiceToken": "arn", **properties},
        }


class Answers(BaseHTTPRequestHandler):
    server: CloudFormation

    def do_PUT(self) -> None:
        self.server.reported.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
