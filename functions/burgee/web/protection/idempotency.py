"""`Idempotency-Key`: the same write sent again is answered as the first time, for a day, and done once.

A request is noted before it is done, and its answer is written in the transaction of the change that it makes:
whenever a process dies, either both are there or neither.
"""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from burgee.errors import Conflict, StoreError
from burgee.stores import Put, Shelf
from burgee.web.exchange import EXCHANGE, Need
from burgee.web.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from burgee.stores import Store

REMEMBERED = "burgee.remembered"
"""Where a request's scope has what writes its answer with its change."""
KEPT_SECONDS = 86_400
RUNNING_SECONDS = 60
MAX_KEPT = 256 * 1024
_HEADERS = {"content-type", "etag"}


class Idempotency:
    """Remembers the answers to writes that carry a key."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        key = _key(scope) if scope["type"] == "http" else None
        if key is None:
            await self.app(scope, receive, send)
            return
        body = await _body(receive)
        store: Store = scope[EXCHANGE].tenants.store(scope[EXCHANGE].caller.tenant)
        request = Remembered(store, _id(scope, key), _fingerprint(scope, body))
        try:
            answer = await run_in_threadpool(request.begin)
        except StoreError:
            answer = problem(503, "store-unavailable", "the flags cannot be changed now; evaluation goes on")
        if answer is None:
            scope[REMEMBERED] = request
            answer = await self._run(scope, body)
            await run_in_threadpool(request.end, answer)
        await answer(scope, receive, send)

    async def _run(self, scope: Scope, body: bytes) -> Response:
        """The application's answer, whole."""
        response, parts = Response(), list[bytes]()

        async def give() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def take(message: Message) -> None:
            if message["type"] == "http.response.start":
                response.status_code = message["status"]
                response.raw_headers = list(message.get("headers", ()))
            else:
                parts.append(message.get("body", b""))

        await self.app(scope, give, take)
        response.body = b"".join(parts)
        return response


class Remembered:
    """One remembered request."""

    def __init__(self, store: Store, key: str, fingerprint: str) -> None:
        self._store = store
        self._id = key
        self._fingerprint = fingerprint
        self._running: dict[str, Any] = {}
        self._offered: Put | None = None

    def begin(self) -> Response | None:
        """None where the request is to be done now; else what to answer instead."""
        found = self._store.find(Shelf.REQUESTS, self._id)
        now = time.time()
        if found is not None and found["at"] > now - KEPT_SECONDS:
            if found["fingerprint"] != self._fingerprint:
                return problem(422, "idempotency-mismatch", "this Idempotency-Key came with another request before")
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
        """What to write with the change that `answer` tells of; that fails where another try has taken over."""
        self._offered = self._put(answer)
        return self._offered

    def end(self, answer: Response) -> None:
        """Keeps an answer that was not written with a change.

        Where one was after all, the record is no longer the one that `begin` wrote, and nothing is overwritten.
        """
        put = self._put(answer)
        if put == self._offered:
            return
        try:
            self._store.keep([put])
        except StoreError:
            return

    def _put(self, answer: Response) -> Put:
        """An answer that may be another when tried again is not kept, nor one with a secret in it."""
        body = bytes(answer.body)
        headers = {name: value for name, value in answer.headers.items() if name in _HEADERS}
        kept = {**self._running, "status": answer.status_code, "headers": headers, "body": b64encode(body).decode()}
        if answer.status_code >= 500 or answer.status_code in {409, 429}:
            kept = {"at": 0, "fingerprint": ""}
        elif answer.headers.get("cache-control") == "no-store" or len(body) > MAX_KEPT:
            kept = {**kept, "status": 409, "headers": {"content-type": "application/problem+json"}, "body": _UNTOLD}
        return Put(Shelf.REQUESTS, self._id, kept, self._running, until=self._running["at"] + KEPT_SECONDS)


_UNTOLD = b64encode(bytes(problem(409, "already-done", "this was done; its answer is told once").body)).decode()


def written_with(scope: Scope, answer: Response) -> list[Put]:
    """What is to be written with the change that `answer` tells of: nothing where no key came with the request."""
    remembered: Remembered | None = scope.get(REMEMBERED)
    return [] if remembered is None else [remembered.record(answer)]


def _running() -> Response:
    answer = problem(409, "in-progress", "a request with this Idempotency-Key is being done; ask again in a moment")
    answer.headers["Retry-After"] = "1"
    return answer


def _replayed(found: Any) -> Response:
    answer = Response(b64decode(found["body"]), found["status"], {**found["headers"], "Idempotency-Replayed": "true"})
    if found["status"] == 204:
        del answer.headers["content-length"]
    return answer


def _key(scope: Scope) -> bytes | None:
    if not scope[EXCHANGE].writes or scope[EXCHANGE].need is Need.EVALUATE:
        return None
    key = next((value for name, value in scope["headers"] if name == b"idempotency-key"), None)
    return key if key and len(key) <= 255 else None


def _id(scope: Scope, key: bytes) -> str:
    caller = scope[EXCHANGE].caller
    whose = [caller.key or caller.name, scope["method"], scope["path"], str(key, "latin-1")]
    return sha256(json.dumps(whose).encode()).hexdigest()


def _fingerprint(scope: Scope, body: bytes) -> str:
    asked = [str(scope["query_string"], "latin-1"), sha256(body).hexdigest()]
    return sha256(json.dumps(asked).encode()).hexdigest()


async def _body(receive: Receive) -> bytes:
    """The body guard has read and bounded it: it comes in one part."""
    return bytes((await receive()).get("body", b""))
