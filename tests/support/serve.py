"""`burgee serve` as a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from support.forks import PATH, start
from support.planted import SEARCH
from support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.forks import Process


class Server:
    """A running `burgee serve`."""

    def __init__(self, process: Process | subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.log = log
        self.url = self.wait_for(r"http://[\w.]+:\d+").group(0)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """A line of its log, which is where it talks to the person."""

        def look() -> re.Match[str] | None:
            ended = self.process.poll() is not None
            found = re.search(pattern, self.log.read_text(encoding="utf-8"))
            assert found or not ended, otherwise()
            return found

        def otherwise() -> str:
            return f"{pattern!r} was not said: {self.log.read_text(encoding='utf-8')}"

        found = eventually(look, otherwise)
        assert found is not None
        return found

    def call(self, path: str, method: str = "GET", body: Any = None, **headers: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            text = response.read()
        return json.loads(text) if text else None

    def until(self, path: str, key: str, wanted: Any) -> None:
        """Asks a path until a key of its answer has a value."""

        def look() -> bool:
            with suppress(urllib.error.HTTPError):
                return bool(self.call(path)[key] == wanted)
            return False

        eventually(look, lambda: f"{path} never reported {key} = {wanted}")


@contextmanager
def serving(folder: Path, *arguments: str, is_forked: bool = True) -> Iterator[Server]:
    """A server on a free port, gone when the block ends; a fork, or an interpreter that starts from nothing."""
    options = ["serve", "--port", "0", *arguments]
    log = folder / "serve.log"
    with log.open("w", encoding="utf-8") as output:
        process: Process | subprocess.Popen[str]
        if is_forked and hasattr(os, "fork"):
            process = start(options, folder, os.environ, output)
        else:
            command = [sys.executable, "-c", "from burgee.cli import main; main()", *options]
            environment = {**os.environ, "PYTHONPATH": PATH}
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, text=True, env=environment)
        try:
            yield Server(process, log)
        finally:
            process.terminate()  # an interrupt is ignored where the tests run in the background of a shell
            process.wait(PATIENCE)
    SEARCH.look(log.read_text(encoding="utf-8"), "the log of burgee serve")
