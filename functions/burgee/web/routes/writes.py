"""How a write is meant: by whom, why, over which state, and whether at all; and what it answers."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from burgee.diff.effect import effects
from burgee.diff.records import flag_records
from burgee.errors import Refused
from burgee.releases.deploy import live, write
from burgee.releases.overrides import changed, laid_over, served
from burgee.stores.audit import AuditContext
from burgee.times import format_time, parse_duration
from burgee.web.exchange import Caller, exchange_of, store_of
from burgee.web.problems import answer, etag_of, matches
from burgee.web.protection.idempotency import written_with
from burgee.web.resources import resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.model import Snapshot
    from burgee.serving.serving import Serving
    from burgee.stores import Change, Put, State, Store

Author = Annotated[str | None, Header(alias="X-Burgee-Author", max_length=200)]
Reason = Annotated[str | None, Header(alias="X-Burgee-Reason", max_length=500)]
IfMatch = Annotated[str | None, Header(alias="If-Match", max_length=1000)]
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=255, description="The same again answers the same.")
]
DryRun = Annotated[bool, Query(description="Tell the effect, and change nothing.")]

PROBLEM: dict[str, Any] = {"content": {"application/problem+json": {"schema": {"type": "object"}}}}
Responses = dict[int | str, dict[str, Any]]
MISSING: Responses = {404: {"description": "No such thing", **PROBLEM}}
EXISTS: Responses = {400: {"description": "The name is taken, or the body is no JSON", **PROBLEM}}
STALE: Responses = {412: {"description": "It is no longer what `If-Match` says", **PROBLEM}}
UNCHANGED: Responses = {304: {"description": "Not changed since `If-None-Match`"}}
TRIED: Responses = {200: {"description": "What a dry run would change"}}
COMMON: Responses = {
    400: {"description": "The body is no JSON", **PROBLEM},
    401: {"description": "No key, or one that does not work", **PROBLEM},
    403: {"description": "The key may not do that", **PROBLEM},
    409: {"description": "Somebody else wrote at the same moment", **PROBLEM},
    413: {"description": "The body is too large", **PROBLEM},
    422: {"description": "The request does not fit", **PROBLEM},
    429: {"description": "Too many requests", **PROBLEM},
    503: {"description": "The store does not answer", **PROBLEM},
}


class Said(BaseModel):
    """What any body may say beside its own keys; it goes before the headers of the same meaning."""

    model_config = ConfigDict(extra="forbid")

    author: str | None = Field(None, max_length=200, description="Who writes this.")
    reason: str | None = Field(None, max_length=500, description="Why.")


Expiry = Annotated[
    str | None,
    Field(pattern=r"^[1-9][0-9]{0,8}[smhd]$", description="When it ends by itself, such as 30m, 2h or 7d."),
]


class Intent(NamedTuple):
    """A write as its request means it."""

    request: Request
    caller: Caller
    request_id: str
    source: str | None
    author: str | None
    reason: str | None
    if_match: str | None
    dry_run: bool

    def act(
        self, action: str, author: str | None = None, reason: str | None = None, expires_in: str | None = None
    ) -> AuditContext:
        """Who does it and why: a key's name is logged whatever the request claims; Refused without a reason."""
        author, reason = author or self.author, (reason or self.reason or "").strip()
        if self.caller.name is not None:
            if not reason:
                raise Refused("reason-required", "say why: `reason` in the body, or the header X-Burgee-Reason")
            author = f"{author} with {self.caller.name}" if author else self.caller.name
        now = time.time()
        until = None
        if expires_in is not None:
            try:
                until = format_time(now + parse_duration(expires_in))
            except ValueError as error:
                raise Refused("invalid-request", f"expires_in: {error}") from error
        return AuditContext(action, author or "unknown", reason, now, until, self.request_id, self.source)

    def puts(self, told: Response) -> list[Put]:
        """The records to write with the change that `told` answers."""
        return written_with(self.request.scope, told)


async def intent(  # noqa: PLR0913, PLR0917 - each is a header of its own
    request: Request,
    author: Author = None,
    reason: Reason = None,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    idempotency_key: IdempotencyKey = None,  # noqa: ARG001 - honoured before routing; here it is documented
) -> Intent:
    """What the headers and the query say of a write."""
    source = request.client.host if request.client else None
    exchange = exchange_of(request)
    return Intent(request, exchange.caller, exchange.request_id.decode(), source, author, reason, if_match, dry_run)


Meant = Annotated[Intent, Depends(intent)]


class Flags:
    """A tenant's flags, read from and written to its store, whole states at a time."""

    def __init__(self, store: Store, serving: Serving) -> None:
        self.store = store
        self.serving = serving

    def read(self) -> tuple[State, Snapshot, str]:
        """The state, the release's snapshot, and the time the release was made."""
        state, snapshot = live(self.store)
        return state, snapshot, self._released(state)

    def write(
        self, meant: Intent, flag: str, decide: Callable[[State, Snapshot], Change], status: int = 200
    ) -> Response:
        """Commits a change to a flag and serves it here at once; a dry run changes nothing.

        The answer is the flag as this change made it, nothing for 204, or the effect of a dry run.
        """
        told = Response()

        def checked(state: State, snapshot: Snapshot) -> Change:
            nonlocal told
            now, released = time.time(), self._released(state)
            if meant.if_match is not None:
                found = _found(flag, state, snapshot, released, now)
                if not matches(meant.if_match, None if found is None else etag_of(found)):
                    raise Refused("stale", f"'{flag}' is no longer what `If-Match` says; read it again")
            change = decide(state, snapshot)
            after = replace(state, overrides={one.flag: one for one in changed(state, change)})
            told = _wrote(meant.request, _found(flag, after, snapshot, released, now), status)
            return replace(change, puts=meant.puts(told))

        if meant.dry_run:
            state, snapshot = live(self.store)
            now = time.time()
            before = laid_over(snapshot, state.overrides.values(), now)
            after = laid_over(snapshot, changed(state, checked(state, snapshot)), now)
            effect = {"flags": flag_records(effects(before, after, now))}
            return answer(meant.request, {"dry_run": True, "effect": effect})
        write(self.store, checked)
        self.serving.refresh()
        return told

    def tell(self, flag: str) -> dict[str, Any]:
        """A flag as the management routes answer it."""
        found = _found(flag, *self.read(), time.time())
        if found is None:
            raise Refused("not-found", f"Feature flag '{flag}' not found")
        return found

    def _released(self, state: State) -> str:
        version = state.pointer.version
        return self.store.release(version).created_at if version else ""


async def here(request: Request) -> Flags:
    """The flags of whoever asks."""
    return Flags(store_of(request), exchange_of(request).serving)


Here = Annotated[Flags, Depends(here)]


def _found(flag: str, state: State, snapshot: Snapshot, released: str, now: float) -> dict[str, Any] | None:
    definition = served(state, snapshot, flag, now)
    return None if definition is None else resource(flag, definition, state, released)


def _wrote(request: Request, body: dict[str, Any] | None, status: int) -> Response:
    """A flag after a write, with the ETag that the next one may ask for."""
    if status == 204:
        return Response(status_code=204)
    return answer(request, body, status, {"ETag": etag_of(body)})
