"""`/flags`: each write becomes an override of the release, with its author and reason."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Body, Query, Request, Response
from pydantic import Field

from burgee.errors import Refused
from burgee.flagfile.fields import ALL, Name
from burgee.flagfile.flag_grammar import DefinitionSpec, Status
from burgee.releases.overrides import killed, lay, revived, served
from burgee.web.exchange import Need
from burgee.web.responses import answer
from burgee.web.routes.writes import (
    COMMON,
    DRY_RUN,
    EXISTS,
    MISSING,
    STALE,
    UNCHANGED,
    CallerFlags,
    Expiry,
    MaybeReasoned,
    Reasoned,
    WaitParameter,
    Write,
    needs,
    resource,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.model import Definition, Snapshot
    from burgee.stores import Change, State
    from burgee.stores.audit import AuditContext


UNHEARD: dict[int | str, dict[str, Any]] = {
    202: {"description": "Killed; after `wait` seconds, an evaluator that reported lately does not answer with it"}
}


class FlagBody(DefinitionSpec):
    """Keys of a body besides the flag's own; they take precedence over the equivalent headers.

    The flag's keys may be null, which removes them in a change and omits them in a new flag; nested keys may not.
    """

    NULLS = ALL

    author: str | None = Field(None, max_length=200, description="Who writes this.")
    reason: str | None = Field(None, max_length=500, description="Why.")
    expires_in: Expiry = None


class FlagChange(FlagBody):
    """The keys to change; `null` removes one."""


class NewFlag(FlagBody):
    """A flag: the keys of flags.yaml, and its name."""

    flag_name: Name = Field(description="Its name.")
    status: Status = Field(False, description="On or off.")


class Kill(Reasoned):
    """Why, and until when."""

    expires_in: Expiry = None


router = APIRouter(tags=["management"], responses=COMMON)


@router.post("/flags", status_code=201, responses=EXISTS | DRY_RUN | STALE, **needs(Need.WRITE))
def create_flag(
    flags: CallerFlags,
    write: Write,
    body: NewFlag,
    reuse: Annotated[bool, Query(description="Allow the name of a flag that was removed from Git.")] = False,
) -> Response:
    """Create a flag that is not in Git yet."""
    act, wanted = write.act("flag.create", body.author, body.reason, body.expires_in), _sent(body)

    def new(state: State, snapshot: Snapshot) -> Change:
        if served(state, snapshot, body.flag_name, act.now) is not None:
            raise Refused("exists", f"Feature flag '{body.flag_name}' already exists")
        return lay(state, snapshot, body.flag_name, {"status": body.status, **wanted}, act, reuse=reuse)

    return flags.write(write, body.flag_name, new, 201)


@router.get("/flags", responses=UNCHANGED, **needs(Need.READ))
def list_flags(  # noqa: PLR0913, PLR0917 - a list's parameters are its filters
    request: Request,
    flags: CallerFlags,
    limit: Annotated[int | None, Query(ge=1, le=1000)] = None,
    cursor: Annotated[str, Query(max_length=255, description="Names after this one.")] = "",
    tag: Annotated[str | None, Query(max_length=255, description="Only flags with this tag.")] = None,
    owner: Annotated[str | None, Query(max_length=255)] = None,
    status: Annotated[Literal["on", "off", "true", "false"] | None, Query()] = None,
    q: Annotated[str | None, Query(max_length=255, description="A string in the name or the description.")] = None,
) -> Response:
    """Flags by name, all or a page of those that match; the next page is in `Link`."""
    state, snapshot, released = flags.read()
    now = time.time()
    names = sorted(name for name in {**snapshot["flags"], **state.overrides} if name > cursor)
    found = [(name, served(state, snapshot, name, now)) for name in names]
    fits = filtering(tag, owner, None if status is None else status in {"on", "true"}, q)
    resources = [
        resource(name, definition, state, released)
        for name, definition in found
        if definition is not None and fits(name, definition)
    ]
    headers = {}
    if limit is not None and len(resources) > limit:
        resources = resources[:limit]
        after = request.url.include_query_params(cursor=resources[-1]["flag_name"]).query
        headers["Link"] = f'<?{after}>; rel="next"'
    return answer(request, resources, headers=headers)


@router.get("/flags/{flag_name}", responses=MISSING | UNCHANGED, **needs(Need.READ))
def get_flag(request: Request, flags: CallerFlags, flag_name: str) -> Response:
    """One flag as served."""
    return answer(request, flags.one(flag_name))


@router.put("/flags/{flag_name}", responses=MISSING | EXISTS | STALE, **needs(Need.WRITE))
def update_flag(flags: CallerFlags, write: Write, flag_name: str, body: FlagChange) -> Response:
    """Change only the keys in the body."""
    act, sent = write.act("flag.update", body.author, body.reason, body.expires_in), _sent(body)

    def change(state: State, snapshot: Snapshot) -> Change:
        current = _current(state, snapshot, flag_name, act)
        wanted = {key: value for key, value in {**current, **sent}.items() if value is not None}
        return lay(state, snapshot, flag_name, wanted, act)

    return flags.write(write, flag_name, change)


@router.delete("/flags/{flag_name}", status_code=204, responses=MISSING | DRY_RUN | STALE, **needs(Need.WRITE))
def delete_flag(flags: CallerFlags, write: Write, flag_name: str) -> Response:
    """Serve a flag as absent; a flag that was never in Git is deleted."""
    act = write.act("flag.delete")

    def absent(state: State, snapshot: Snapshot) -> Change:
        _current(state, snapshot, flag_name, act)
        return lay(state, snapshot, flag_name, None, act)

    return flags.write(write, flag_name, absent, 204)


@router.post("/flags/{flag_name}/kill", responses=MISSING | STALE | UNHEARD, **needs(Need.KILL))
def kill_flag(
    flags: CallerFlags,
    write: Write,
    flag_name: str,
    body: Annotated[Kill, Body(default_factory=Kill)],
    wait: WaitParameter = 0.0,
) -> Response:
    """Switch a flag off now, whatever its schedule."""
    act = write.act("flag.kill", body.author, body.reason, body.expires_in)

    def kill(state: State, snapshot: Snapshot) -> Change:
        return lay(state, snapshot, flag_name, killed(_current(state, snapshot, flag_name, act)), act)

    return flags.write(write, flag_name, kill, wait=wait)


@router.post("/flags/{flag_name}/unkill", responses=MISSING | STALE, **needs(Need.WRITE))
def unkill_flag(flags: CallerFlags, write: Write, flag_name: str, body: MaybeReasoned) -> Response:
    """Restore a killed flag."""
    act = write.act("flag.unkill", body.author, body.reason)

    def revive(state: State, snapshot: Snapshot) -> Change:
        _current(state, snapshot, flag_name, act)
        return lay(state, snapshot, flag_name, revived(state, snapshot, flag_name, act.now), act)

    return flags.write(write, flag_name, revive)


def _current(state: State, snapshot: Snapshot, flag: str, act: AuditContext) -> Definition:
    current = served(state, snapshot, flag, act.now)
    if current is None:
        raise Refused("not-found", f"Feature flag '{flag}' not found")
    return current


def filtering(
    tag: str | None, owner: str | None, status: bool | None, text: str | None
) -> Callable[[str, Mapping[str, Any]], bool]:
    """Whether a flag, by its name and definition, passes a list's filters."""
    folded = (text or "").casefold()

    def fits(name: str, definition: Mapping[str, Any]) -> bool:
        return (
            (tag is None or tag in (definition.get("tags") or ()))
            and (owner is None or definition.get("owner") == owner)
            and (status is None or definition.get("status", False) is status)
            and (folded in name.casefold() or folded in (definition.get("description") or "").casefold())
        )

    return fits


def _sent(body: FlagBody) -> dict[str, Any]:
    """The flag's keys in a body; `None` for null."""
    beside = {"flag_name", "author", "reason", "expires_in"}
    return body.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=beside)
