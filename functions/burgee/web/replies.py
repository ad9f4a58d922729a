"""Responses as values: JSON with a strong ETag, fully serialised before sending."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.records import NamedTuple

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


Header: TypeAlias = tuple[bytes, bytes]
_JSON = (b"content-type", b"application/json")


class Reply(NamedTuple):
    """A response. Its fields have the names of Starlette's, and like those it is an ASGI application."""

    status_code: int
    body: bytes
    raw_headers: list[Header]

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """The ASGI application."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body})


def written(body: Any) -> bytes:
    """A value as JSON, without spaces."""
    return json.dumps(body, separators=(",", ":")).encode()


def json_reply(data: bytes, status: int = 200, *headers: Header) -> Reply:
    """Serialised JSON as a reply, with the given header fields."""
    return Reply(status, data, [*headers, (b"content-length", b"%d" % len(data)), _JSON])


def tag(data: bytes) -> str:
    """The strong ETag of a body."""
    return f'"{sha256(data).hexdigest()[:32]}"'


def etag_of(body: Any) -> str:
    """The strong ETag of a read of this value."""
    return tag(written(body))


def tagged(data: bytes, *headers: Header) -> Reply:
    """Serialised JSON with its ETag."""
    return json_reply(data, 200, (b"etag", tag(data).encode()), *headers)


def unless_held(reply: Reply, if_none_match: str) -> Reply:
    """A tagged reply, or 304 with its header fields for a client that already has it."""
    if not if_none_match or not holds(if_none_match, str(reply.raw_headers[0][1], "latin-1")):
        return reply
    return Reply(304, b"", reply.raw_headers[:-2])


def holds(header: str, etag: str) -> bool:
    """RFC 9110 section 13.1.2: weak comparison against a list, or `*`."""
    tags = [one.strip().removeprefix("W/") for one in header.split(",")]
    return etag in tags or header.strip() == "*"


def matches(header: str, etag: str | None) -> bool:
    """RFC 9110 section 13.1.1: strong comparison against a list; `*` is any existing representation."""
    tags = [one.strip() for one in header.split(",")]
    return etag is not None and (etag in tags or "*" in tags)
