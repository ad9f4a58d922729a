"""A client of a Git host's API: JSON over HTTP, bounded retries, no links to other hosts followed."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.http_client import send

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRIES = 4
LONGEST_WAIT = 30.0
MAX_PAGES = 50
MAX_ANSWER = 16 * 1024**2


class ApiError(Exception):
    """The host does not answer, or refuses; `status` is None if it does not answer."""

    def __init__(self, message: str, status: int | None = None, said: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.said = said
        """The host's message, which others may have written: escaped against commands and markup."""

    @property
    def explained(self) -> str:
        """The error with the host's own words, as one line of printable characters."""
        words = "".join(one for one in " ".join(_messages(self.said)) if one.isprintable())
        return f"{self}: {words[:300]}" if words else str(self)


class ApiAnswer(NamedTuple):
    """The body of an answer, and the address of the next page."""

    body: Any
    following: str | None


@dataclass(frozen=True, slots=True)
class Api:
    """An API below one address; the headers, which include the token, are sent nowhere else."""

    name: str
    url: str
    headers: Mapping[str, str] = field(repr=False)

    def pages(self, url: str) -> Iterator[Any]:
        """The items of a list, from all pages."""
        following: str | None = url
        for _ in range(MAX_PAGES):
            if following is None:
                return
            answer = self.call("GET", following)
            yield from answer.body
            following = answer.following

    def call(self, method: str, url: str, body: Any = None) -> ApiAnswer:
        """One call; temporary failures are retried, but an unanswered POST is not sent again."""
        if not url.startswith(f"{self.url}/"):
            raise ApiError("the API named an address that is not its own")
        data = None if body is None else json.dumps(body).encode()
        fields = {"Content-Type": "application/json", "User-Agent": "burgee", **self.headers}
        request = urllib.request.Request(url, method=method, data=data, headers=fields)  # noqa: S310 - its own API
        for remaining in reversed(range(TRIES)):
            try:
                with send(request, timeout=20) as answer:
                    said = answer.read(MAX_ANSWER)
                    return ApiAnswer(json.loads(said) if said else None, _next(answer.headers.get("Link", "")))
            except urllib.error.HTTPError as error:
                wait = _wait(error, remaining)
                if wait is None:
                    path = urllib.parse.urlsplit(url).path
                    raise ApiError(
                        f"{self.name} answered {error.code} to {method} {path}", error.code, _said(error)
                    ) from error
            except ValueError as error:  # such as the page of a proxy in between
                raise ApiError(f"{self.name} answered {method} with something that is not JSON") from error
            except (urllib.error.URLError, TimeoutError, ConnectionError, HTTPException) as error:
                # An unanswered POST may have been executed: a retry could create a duplicate.
                if method == "POST" or not remaining:
                    raise ApiError(f"{self.name} does not answer: {error}") from error
                wait = 1.0
            time.sleep(wait)
        raise AssertionError("the last try returns or raises")


def _messages(said: str) -> list[str]:
    """The messages of an error's body: GitHub lists some below `errors`, and GitLab has a list or a mapping."""
    try:
        body = json.loads(said)
    except ValueError:
        return []
    found = [body.get("message"), *(body.get("errors") or [])] if isinstance(body, dict) else []
    found = [one.get("message") if isinstance(one, dict) and "message" in one else one for one in found]
    return [one if isinstance(one, str) else json.dumps(one) for one in found if one]


def _said(error: urllib.error.HTTPError) -> str:
    try:
        return error.read(4_096).decode(errors="replace")
    except (OSError, HTTPException):
        return ""


def _wait(error: urllib.error.HTTPError, remaining: int) -> float | None:
    """Seconds until the next retry; None if retrying is pointless."""
    limited = error.code == 429 or (error.code == 403 and "Retry-After" in error.headers)
    if not remaining or not (limited or error.code in {500, 502, 503, 504}):
        return None
    wait = error.headers.get("Retry-After", "1")
    return min(float(wait) if wait.isdigit() else 1.0, LONGEST_WAIT)


def _next(link: str) -> str | None:
    for part in link.split(","):
        url, _, relation = part.partition(";")
        if 'rel="next"' in relation:
            return url.strip().strip("<>")
    return None
