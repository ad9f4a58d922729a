"""A Git host's API on loopback, by a function that answers; and GitLab's merge requests, as far as we use them."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from support.http import handled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answered = Callable[[str, str, Any], tuple[int, Any, dict[str, str]]]

PROJECT = "acme/flags"


@contextmanager
def answering(answered: Answered) -> Iterator[tuple[str, list[tuple[str, str, dict[str, str], Any]]]]:
    """An API on loopback, and what was asked of it: method, path, headers, body."""
    calls: list[tuple[str, str, dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(data) if data else None
            calls.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, reported, headers = answered(self.command, self.path, body)
            written = json.dumps(reported).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(written))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = do_PUT = answer  # noqa: N815 - names that the server calls

        def log_message(self, *_: Any) -> None:
            pass

    with handled(Handler) as url:
        yield url, calls


class MergeRequests:
    """The merge requests of one project, and the notes on them."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self.notes: list[tuple[int, str]] = []

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers of one call."""
        place, query = urlsplit(path).path, parse_qs(urlsplit(path).query)
        base = "/projects/acme%2Fflags/merge_requests"
        if place == base and method == "GET":
            named = (query["source_branch"][0], query["target_branch"][0])
            listed = [one for one in self.all if (one["source_branch"], one["target_branch"]) == named]
            return 200, listed[::-1], {}
        if place == base:
            iid = len(self.all) + 1
            address = f"https://gitlab.example/{PROJECT}/-/merge_requests/{iid}"
            made = {"iid": iid, "state": "opened", "web_url": address, "source_project_id": 7, "target_project_id": 7}
            self.all.append({**made, **body})
            return 201, self.all[-1], {}
        if found := re.fullmatch(rf"{base}/(\d+)/notes", place):
            self.notes.append((int(found[1]), body["body"]))
            return 201, {}, {}
        if found := re.fullmatch(rf"{base}/(\d+)", place):
            one = self.all[int(found[1]) - 1]
            one |= {"state": "closed"} if body.get("state_event") == "close" else body
            return 200, one, {}
        return 404, {"message": "404 Not Found"}, {}
