"""Shared by all writes: author, reason, expected state, dry run, and answer."""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import Body, Depends, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from burgee.errors import Refused
from burgee.releases.deploy import live, write
from burgee.releases.guarding import person
from burgee.releases.overrides import changed, laid_over, served
from burgee.stores.audit import AuditContext
from burgee.times import format_time, parse_duration, parse_time
from burgee.web.awaited import MAX_WAIT, awaited
from burgee.web.dry_run import alone, effect
from burgee.web.exchange import ANYONE, Caller, exchange_of, store_of
from burgee.web.openapi import PROBLEM, needing
from burgee.web.protection.idempotency import written_with
from burgee.web.replies import etag_of, matches
from burgee.web.responses import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.model import Definition, Snapshot
    from burgee.serving.serving import Serving
    from burgee.stores import Change, Put, State, Store
    from burgee.web.exchange import Need

AuthorHeader = Annotated[str | None, Header(alias="X-Burgee-Author", max_length=200)]
ReasonHeader = Annotated[str | None, Header(alias="X-Burgee-Reason", max_length=500)]
IfMatchHeader = Annotated[str | None, Header(alias="If-Match", max_length=1000)]
IdempotencyKeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key", max_length=255, description="A repeated request with this key gets the same answer."
    ),
]
WaitParameter = Annotated[
    float,
    Query(
        ge=0,
        le=MAX_WAIT,
        description="Seconds to wait until evaluators that reported lately answer with the change.",
    ),
]
DryRunParameter = Annotated[bool, Query(description="Return the effect without changing anything.")]

UNCACHED = {"Cache-Control": "no-store"}
Responses = dict[int | str, dict[str, Any]]


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": PROBLEM}


MISSING: Responses = {404: _problem("No such thing")}
EXISTS: Responses = {400: _problem("The name is taken, or the body is not JSON")}
STALE: Responses = {412: _problem("It has changed since `If-Match`")}
UNCHANGED: Responses = {304: {"description": "Not changed since `If-None-Match`"}}
DRY_RUN: Responses = {200: {"description": "What a dry run would change"}}
COMMON: Responses = {
    400: _problem("The body is not JSON"),
    401: _problem("No key, or an invalid one"),
    403: _problem("The key lacks permission"),
    408: _problem("The body did not arrive in time"),
    409: _problem("Another writer changed the same thing at the same moment"),
    413: _problem("The body is too large"),
    422: _problem("The request is invalid"),
    429: _problem("Too many requests"),
    503: _problem("The store does not answer"),
}


def needs(need: Need) -> dict[str, Any]:
    """The required permission, as an argument of FastAPI's decorator; the front reads it there."""
    return {"openapi_extra": needing(need)}


class Reasoned(BaseModel):
    """Keys that any body may have besides its own; they take precedence over the equivalent headers."""

    model_config = ConfigDict(extra="forbid")

    author: str | None = Field(None, max_length=200, description="Who writes this.")
    reason: str | None = Field(None, max_length=500, description="Why.")


MaybeReasoned = Annotated[Reasoned, Body(default_factory=Reasoned)]
"""A body that may be missing."""
DURATION = r"^[1-9][0-9]{0,8}[smhd]$"
Expiry = Annotated[str | None, Field(pattern=DURATION, description="When it expires, such as 30m, 2h or 7d.")]


class Rotation(Reasoned):
    """How long the old secret stays valid beside the new one."""

    overlap: Annotated[str, Field(pattern=DURATION)] = "1d"


MaybeRotation = Annotated[Rotation, Body(default_factory=Rotation)]


def duration(name: str, text: str) -> float:
    """The seconds of a member or parameter. Raises Refused, which names it."""
    return _parsed(name, text, parse_duration)


def moment(name: str, text: str | None) -> float | None:
    """The epoch seconds of a member or parameter, if it is given. Raises Refused, which names it."""
    return None if text is None else _parsed(name, text, parse_time)


def _parsed(name: str, text: str, parse: Callable[[str], float]) -> float:
    try:
        return parse(text)
    except ValueError as error:
        raise Refused("invalid-request", f"{name}: {error}") from error


class WriteRequest(NamedTuple):
    """A write without its body: author, reason, expected state, and whether it is a dry run."""

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
        """The author and reason: a key's name is always logged, whatever the request claims. Raises Refused without a
        reason.
        """
        author, reason = author or self.author, (reason or self.reason or "").strip()
        if self.caller.name is not None:
            if not reason:
                raise Refused(
                    "reason-required", "reason required: `reason` in the body, or the header X-Burgee-Reason"
                )
            author = f"{author} with {self.caller.name}" if author else self.caller.name
        now = time.time()
        until = None if expires_in is None else format_time(now + duration("expires_in", expires_in))
        return AuditContext(action, person(author or ANYONE), reason, now, until, self.request_id, self.source)

    def effectless(self, act: AuditContext, response: Response) -> AuditContext:
        """An act that changes no flag's answer, with the records to write. Raises Refused for a dry run."""
        if self.dry_run:
            raise Refused(
                "invalid-request", "dry_run: this request changes no flag's answer; there is nothing to compute"
            )
        return act._replace(puts=self.puts(response))

    def once(self, act: AuditContext) -> AuditContext:
        """The same, for a request whose answer is not stored, as it has a secret or is about the moment."""
        return self.effectless(act, Response(status_code=201, headers=UNCACHED))

    def require_unmoved(self, what: str, current: Callable[[], object]) -> None:
        """Raises Refused if what the writer read is no longer current; None is what is missing."""
        if self.if_match is None:
            return
        found = current()
        if not matches(self.if_match, None if found is None else etag_of(found)):
            raise Refused("stale", f"{what} changed since `If-Match`; read again")

    def puts(self, response: Response) -> list[Put]:
        """The records to write with a request's change."""
        return written_with(self.request.scope, response)


async def write_request(  # noqa: PLR0913, PLR0917 - each is a header of its own
    request: Request,
    author: AuthorHeader = None,
    reason: ReasonHeader = None,
    if_match: IfMatchHeader = None,
    dry_run: DryRunParameter = False,
    idempotency_key: IdempotencyKeyHeader = None,  # noqa: ARG001 - the front handles it; here it is documented
) -> WriteRequest:
    """The headers and query parameters of a write."""
    source = request.client.host if request.client else None
    exchange = exchange_of(request)
    request_id = exchange.request_id.decode()
    return WriteRequest(request, exchange.caller, request_id, source, author, reason, if_match, dry_run)


Write = Annotated[WriteRequest, Depends(write_request)]


class Flags:
    """A tenant's flags in its store, read and written as whole states."""

    def __init__(self, store: Store, serving: Serving) -> None:
        self.store = store
        self.serving = serving

    def read(self) -> tuple[State, Snapshot, str]:
        """The state, the release's snapshot, and the creation time of the release."""
        state, snapshot = live(self.store)
        return state, snapshot, self._released(state)

    def write(
        self,
        request: WriteRequest,
        flag: str,
        decide: Callable[[State, Snapshot], Change],
        status: int = 200,
        wait: float = 0.0,
    ) -> Response:
        """Commits a change to a flag and serves it here immediately; a dry run changes nothing.

        The answer is the changed flag, empty for 204, or the effect for a dry run. After waiting for so many seconds
        it also says who has answered with the change.
        """
        response = Response()

        def checked(state: State, snapshot: Snapshot) -> Change:
            nonlocal response
            now, released = time.time(), self._released(state)
            self.require_unmoved(request, flag, state, snapshot)
            change = decide(state, snapshot)
            after = replace(state, overrides={one.flag: one for one in changed(state, change)})
            response = _wrote(request.request, _found(flag, after, snapshot, released, now), status)
            return replace(change, puts=request.puts(response))

        if request.dry_run:
            return answer(request.request, {"dry_run": True, "effect": {"flags": self.effect(checked)}})
        revision = write(self.store, checked).revision
        self.serving.refresh()
        return awaited(self.store, revision, response, wait) if wait else response

    def effect(self, decide: Callable[[State, Snapshot], Change]) -> list[dict[str, Any]]:
        """The effect of a change on what is served, one record for each flag; changes nothing."""
        with alone():
            state, snapshot = live(self.store)
            now = time.time()
            before = laid_over(snapshot, state.overrides.values(), now)
            return effect(before, laid_over(snapshot, changed(state, decide(state, snapshot)), now), now)

    def require_unmoved(self, request: WriteRequest, flag: str, state: State, snapshot: Snapshot) -> None:
        """Raises Refused where a flag is no longer what the writer has read."""
        request.require_unmoved(
            f"'{flag}'", lambda: _found(flag, state, snapshot, self._released(state), time.time())
        )

    def one(self, flag: str) -> dict[str, Any]:
        """A flag as the management routes return it. Raises Refused if there is none."""
        found = _found(flag, *self.read(), time.time())
        if found is None:
            raise Refused("not-found", f"Feature flag '{flag}' not found")
        return found

    def _released(self, state: State) -> str:
        version = state.pointer.version
        return self.store.release(version).created_at if version else ""


async def _caller_flags(request: Request) -> Flags:
    return Flags(store_of(request), exchange_of(request).serving)


CallerFlags = Annotated[Flags, Depends(_caller_flags)]
"""The flags of the caller's tenant."""


def resource(flag: str, definition: Definition, state: State, released: str) -> dict[str, Any]:
    """The body of one flag; `id` is derived from the name, so that it never changes."""
    override = state.overrides.get(flag)
    return {
        "id": int.from_bytes(sha256(flag.encode()).digest()[:7]) >> 4,
        "flag_name": flag,
        "status": False,
        "rollout_percentage": None,
        "description": None,
        **definition,
        "created_at": override.created_at if override and override.base_digest is None else released,
        "updated_at": override.updated_at if override else released,
        "source": "override" if override else "release",
        **({"expires_at": override.expires_at} if override and override.expires_at else {}),
    }


def _found(flag: str, state: State, snapshot: Snapshot, released: str, now: float) -> dict[str, Any] | None:
    definition = served(state, snapshot, flag, now)
    return None if definition is None else resource(flag, definition, state, released)


def _wrote(request: Request, body: dict[str, Any] | None, status: int) -> Response:
    """A flag after a write, with the ETag for a further write."""
    if status == 204:
        return Response(status_code=204)
    return answer(request, body, status, {"ETag": etag_of(body)})
