"""`/overrides`, `/releases` and `/audit`: overrides, rollbacks and the audit log."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import Field

from burgee.evaluation.snapshots import load_snapshot
from burgee.flagfile.entering import stored_faults
from burgee.releases.deploy import Consent, OnConflict, live, returning
from burgee.releases.overrides import laid_over, lift
from burgee.releases.plan import OverrideVerdict, plan, rebased
from burgee.stores import Pointer
from burgee.stores.audit import AuditFilter, search
from burgee.web.dry_run import alone, effect
from burgee.web.exchange import Need
from burgee.web.problems import fault_errors
from burgee.web.replies import etag_of
from burgee.web.responses import answer
from burgee.web.routes.writes import (
    COMMON,
    DRY_RUN,
    MISSING,
    STALE,
    UNCHANGED,
    CallerFlags,
    Reasoned,
    Write,
    moment,
    needs,
)

if TYPE_CHECKING:
    from burgee.model import Snapshot
    from burgee.stores import Store

router = APIRouter(tags=["operations"], responses=COMMON)
PAGE = 20
MAX_WARNINGS = 100
Time = Annotated[str | None, Query(max_length=40, description="In RFC 3339.")]


class Activation(Reasoned):
    """The reason, and how to treat overrides that conflict with the release."""

    overrides: OnConflict = Field("refuse", description="Overrides that conflict with Git.")


@router.get("/overrides", responses=UNCHANGED, **needs(Need.READ))
def list_overrides(request: Request, flags: CallerFlags) -> Response:
    """The operators' overrides of the release."""
    overrides = flags.store.state().overrides
    return answer(request, {"overrides": [asdict(override) for override in overrides.values()]})


@router.delete("/overrides/{flag_name}", status_code=204, responses=MISSING | DRY_RUN | STALE, **needs(Need.WRITE))
def clear_override(flags: CallerFlags, write: Write, flag_name: str) -> Response:
    """Remove an override, so that the release applies again."""
    act = write.act("override.clear")
    return flags.write(write, flag_name, lambda state, snapshot: lift(state, snapshot, flag_name, act), 204)


@router.get("/releases", responses=UNCHANGED, **needs(Need.READ))
def list_releases(
    request: Request,
    flags: CallerFlags,
    limit: Annotated[int, Query(ge=1, le=100)] = PAGE,
    cursor: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Response:
    """Releases, newest first, versions below `cursor`."""
    return answer(request, listed(flags.store, flags.store.state().pointer, limit, cursor))


@router.post("/releases/{version}/activate", responses=MISSING | STALE, **needs(Need.RELEASE))
def activate_release(
    request: Request,
    flags: CallerFlags,
    write: Write,
    version: Annotated[int, Path(ge=1, le=2**53)],
    body: Annotated[Activation, Body(default_factory=Activation)],
) -> Response:
    """Make an earlier release live; overrides follow the rules of a deploy."""
    act, store = write.act("release.activate", body.author, body.reason), flags.store
    if write.dry_run:
        with alone():
            write.require_unmoved("the list of releases", lambda: listed(store, store.state().pointer))
            return answer(request, activation_effect(store, version, body.overrides, act.now))
    made, change = returning(store, version, act, Consent(body.overrides))
    before = listed(store, Pointer(made.version, revision=made.revision))
    write.require_unmoved("the list of releases", lambda: before)
    etag = etag_of({**before, "current": version, "revision": made.revision + 1})
    warnings = _warnings(load_snapshot(store.payload(version)))
    body_of_answer = {"current": version, "release": asdict(store.release(version)), **warnings}
    response = answer(request, body_of_answer, headers={"ETag": etag})
    store.commit(replace(change, puts=write.puts(response)), expected=made.revision)
    flags.serving.refresh()
    return response


@router.get("/audit", responses=UNCHANGED, **needs(Need.READ))
def list_audit(  # noqa: PLR0913, PLR0917 - a list's parameters are its filters
    request: Request,
    flags: CallerFlags,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    flag: Annotated[str | None, Query(max_length=255)] = None,
    actor: Annotated[str | None, Query(max_length=500)] = None,
    action: Annotated[
        str | None, Query(max_length=64, description="Such as flag.kill, or flag for all actions on flags.")
    ] = None,
    release: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    since: Time = None,
    until: Time = None,
) -> Response:
    """The audit log, newest first, entries before `cursor`."""
    wanted = AuditFilter(flag, actor, action, release, moment("since", since), moment("until", until))
    found = search(flags.store, wanted, limit=limit, cursor=cursor)
    return answer(request, {"entries": [asdict(entry) for entry in found.entries], "cursor": found.cursor})


def listed(store: Store, pointer: Pointer, limit: int = PAGE, before: int | None = None) -> dict[str, Any]:
    """The answer of a list of releases; that of the first page is what `If-Match` compares.

    The revision counts every change of what is served: who moves by a release hangs on the overrides, too.
    """
    releases = [asdict(one) for one in store.releases(limit=limit, before=before)]
    return {"current": pointer.version, "revision": pointer.revision, "releases": releases}


def activation_effect(store: Store, version: int, overrides: OnConflict, now: float) -> dict[str, Any]:
    """What activating a release would change, and for each override whether it stays; to be called inside `alone`."""
    state, current = live(store)
    wanted = load_snapshot(store.payload(version))
    made = plan(state, current, wanted, now, rollback=True)
    ending = {OverrideVerdict.EXPIRED} | ({OverrideVerdict.CONFLICT} if overrides == "discard" else set())
    staying = [rebased(one) for one in made.standings if one.verdict not in ending]
    before = laid_over(current, state.overrides.values(), now)
    flags = effect(before, laid_over(wanted, staying, now), now)
    verdicts = {standing.override.flag: standing.verdict for standing in made.standings}
    return {"dry_run": True, "effect": {"flags": flags}, "overrides": verdicts, **_warnings(wanted)}


def _warnings(snapshot: Snapshot) -> dict[str, Any]:
    """Faults of a release that would be refused today, if any."""
    faults = stored_faults(snapshot)
    return {"warnings": fault_errors(faults[:MAX_WARNINGS], ("flags",))} if faults else {}
