"""Chromium on a page of ours: serves the page, starts the browser, and receives what the page reports."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import time
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from support.http import handled
from support.waiting import PATIENCE

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str | None:
    """The program, where there is one."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class PageReports:
    """What the page reports, each report with the time of its arrival on a monotonic clock."""

    def __init__(self) -> None:
        self.queue: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        self.statuses: list[int] = []
        self.order = ""
        self.origin = ""

    def value(self, wanted: Any) -> float:
        """The moment at which the page painted a value."""
        painted: list[Any] = []
        end = time.monotonic() + PATIENCE
        while True:
            try:
                at, what = self.queue.get(timeout=max(end - time.monotonic(), 0.01))
            except queue.Empty as error:
                raise AssertionError(
                    f"the page painted {painted}, not {wanted}; its requests: {self.statuses}"
                ) from error
            assert "error" not in what, what
            painted.append(what)
            if what.get("value", ...) == wanted:
                return at


@contextmanager
def serving(folder: Path) -> Iterator[PageReports]:
    """A site of the files of a folder, which receives what its pages report."""
    reports = PageReports()

    class Handler(SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            at = time.monotonic()
            what = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if "status" in what:
                reports.statuses.append(what["status"])
            else:
                reports.queue.put((at, what))
            self.send_response(204)
            self.end_headers()

        def do_GET(self) -> None:
            if self.path != "/order":
                super().do_GET()
                return
            body, reports.order = reports.order.encode(), ""
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with handled(partial(Handler, directory=str(folder))) as reports.origin:
        yield reports


@contextmanager
def showing(program: str, url: str, profile: Path) -> Iterator[Callable[[signal.Signals], None]]:
    """The browser on a page, without a window; yields what sends a signal to all of its processes."""
    command = [
        program,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        f"--user-data-dir={profile}",
        url,
    ]
    quiet = subprocess.DEVNULL
    running = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
    try:
        yield partial(os.killpg, running.pid)
    finally:
        running.terminate()
        running.wait(20)
