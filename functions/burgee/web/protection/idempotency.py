"""`Idempotency-Key`: a repeated write is executed once and gets the first answer again, for a day.

A request is recorded before it is executed, and its answer is written in the transaction of its change: if a process
dies, either both exist or neither.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from burgee.errors import Conflict, StoreError
from burgee.stores import Put, Shelf
from burgee.web.problems import problem, problem_of
from burgee.web.replies import Reply

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

    from burgee.stores import Store
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Header


class Response(Protocol):
    """A response with a complete body: Starlette's, or ours."""

    @property
    def status_code(self) -> int:
        """Its status."""

    @property
    def body(self) -> bytes | memoryview:
        """Its body."""

    @property
    def raw_headers(self) -> list[Header]:
        """Its header fields."""


REMEMBERED = "burgee.remembered"
"""The key in an ASGI scope of the record that stores the answer with its change."""
KEPT_SECONDS = 86_400
RUNNING_SECONDS = 60
MAX_KEPT = 256 * 1024
_HEADERS = (b"content-type", b"etag")


def key_of(exchange: Exchange) -> bytes | None:
    """The Idempotency-Key of a write, if it has one."""
    key = exchange.fields.get(b"idempotency-key")
    return key if key and len(key) <= 255 else None


async def once(exchange: Exchange, key: bytes, body: bytes, app: ASGIApp) -> Reply:
    """The application's answer to a write, or its earlier answer to the same write."""
    store = exchange.tenants.store(exchange.caller.tenant)
    request = Remembered(store, _id(exchange, key), _fingerprint(exchange.scope, body))
    try:
        answer = await asyncio.to_thread(request.begin)
    except StoreError as error:
        answer = problem_of(error)
    if answer is None:
        exchange.scope[REMEMBERED] = request
        answer = await _run(exchange.scope, body, app)
        await asyncio.to_thread(request.end, answer)
    return answer


async def _run(scope: Scope, body: bytes, app: ASGIApp) -> Reply:
    """The application's complete answer."""
    start: Message = {}
    parts: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            parts.append(message.get("body", b""))

    await app(scope, receive, send)
    return Reply(start["status"], b"".join(parts), list(start.get("headers", ())))


class Remembered:
    """One remembered request."""

    def __init__(self, store: Store, key: str, fingerprint: str) -> None:
        self._store = store
        self._id = key
        self._fingerprint = fingerprint
        self._running: dict[str, Any] = {}
        self._offered: Put | None = None

    def begin(self) -> Reply | None:
        """None if the request should be executed now; else the answer."""
        found = self._store.find(Shelf.REQUESTS, self._id)
        now = time.time()
        if found is not None and found["at"] > now - KEPT_SECONDS:
            if found["fingerprint"] != self._fingerprint:
                return problem(422, "idempotency-mismatch", "this Idempotency-Key was used with a different request")
            if "status" in found:
                return _replayed(found)
            if found["at"] > now - RUNNING_SECONDS:
                return _running()
        self._running = {"at": now, "fingerprint": self._fingerprint}
        try:
            self._store.keep([Put(Shelf.REQUESTS, self._id, self._running, found, until=now + KEPT_SECONDS)])
        except Conflict:
            return _running()
        return None

    def record(self, answer: Response) -> Put:
        """The record to write with the change; writing fails if another attempt has taken over."""
        self._offered = self._put(answer)
        return self._offered

    def end(self, answer: Response) -> None:
        """Stores an answer that was not written with a change.

        If it was written after all, the record differs from the one that `begin` wrote, and is not overwritten.
        """
        put = self._put(answer)
        if put == self._offered:
            return
        try:
            self._store.keep([put])
        except StoreError:
            return

    def _put(self, answer: Response) -> Put:
        """An answer that a retry could change is not kept, nor one with a secret."""
        body, fields = bytes(answer.body), dict(answer.raw_headers)
        headers = {str(name, "latin-1"): str(fields[name], "latin-1") for name in _HEADERS if name in fields}
        kept = {**self._running, "status": answer.status_code, "headers": headers, "body": b64encode(body).decode()}
        if answer.status_code >= 500 or answer.status_code in {409, 429}:
            kept = {"at": 0, "fingerprint": ""}
        elif fields.get(b"cache-control") == b"no-store" or len(body) > MAX_KEPT:
            kept = {**kept, "status": 409, "headers": {"content-type": "application/problem+json"}, "body": _ONCE}
        return Put(Shelf.REQUESTS, self._id, kept, self._running, until=self._running["at"] + KEPT_SECONDS)


_ONCE = b64encode(
    problem(409, "already-done", "this request was executed; its answer is given only once").body
).decode()


def written_with(scope: Scope, answer: Response) -> list[Put]:
    """The records to write with the change: none if the request has no Idempotency-Key."""
    remembered: Remembered | None = scope.get(REMEMBERED)
    return [] if remembered is None else [remembered.record(answer)]


def _running() -> Reply:
    detail = "a request with this Idempotency-Key is in progress; try again in a moment"
    return problem(409, "in-progress", detail, (b"retry-after", b"1"))


def _replayed(found: Any) -> Reply:
    body = b64decode(found["body"])
    headers = [(name.encode(), value.encode("latin-1")) for name, value in found["headers"].items()]
    headers.append((b"idempotency-replayed", b"true"))
    if found["status"] != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    return Reply(found["status"], body, headers)


def _id(exchange: Exchange, key: bytes) -> str:
    caller = exchange.caller
    parts = [caller.key or caller.name, exchange.scope["method"], exchange.path, str(key, "latin-1")]
    return sha256(json.dumps(parts).encode()).hexdigest()


def _fingerprint(scope: Scope, body: bytes) -> str:
    parts = [str(scope["query_string"], "latin-1"), sha256(body).hexdigest()]
    return sha256(json.dumps(parts).encode()).hexdigest()
