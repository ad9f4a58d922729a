"""What has been decided, by whom, and the way back: overrides, releases, the audit log."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from burgee.audit import Wanted, search
from burgee.deploy import Consent, live, rollback
from burgee.effect import effects
from burgee.errors import Refused
from burgee.overrides import laid_over, lift
from burgee.plan import Verdict, plan
from burgee.report import record
from burgee.snapshots import load_snapshot
from burgee.times import parse_time
from burgee.web.problems import answer
from burgee.web.writes import COMMON, MISSING, STALE, TRIED, UNCHANGED, Here, Meant, Said, gone

if TYPE_CHECKING:
    from burgee.stores import Store

router = APIRouter(tags=["operations"], responses=COMMON)
Moment = Annotated[str | None, Query(max_length=40, description="In RFC 3339.")]


class Activation(Said):
    """Why, and what becomes of overrides that the release contradicts."""

    overrides: Literal["refuse", "keep", "discard"] = Field("refuse", description="Those that Git contradicts.")


@router.get("/overrides", responses=UNCHANGED)
def list_overrides(request: Request, flags: Here) -> Response:
    """What operators said over the release."""
    overrides = flags.store.state().overrides
    return answer(request, {"overrides": [asdict(override) for override in overrides.values()]})


@router.delete("/overrides/{flag_name}", status_code=204, responses=MISSING | TRIED | STALE)
def clear_override(request: Request, flags: Here, meant: Meant, flag_name: str) -> Response:
    """Take an override away: the release decides again."""
    act = meant.act("override.clear")
    effect = flags.write(meant, flag_name, lambda state, snapshot: lift(state, snapshot, flag_name, act))
    return gone(request, effect)


@router.get("/releases", responses=UNCHANGED)
def list_releases(
    request: Request,
    flags: Here,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    cursor: Annotated[int | None, Query(ge=1, le=2**53)] = None,
) -> Response:
    """Releases, newest first, versions below `cursor`."""
    current = flags.store.pointer().version
    releases = [asdict(release) for release in flags.store.releases(limit=limit, before=cursor)]
    return answer(request, {"current": current, "releases": releases})


@router.post("/releases/{version}/activate", responses=MISSING)
def activate_release(
    request: Request, flags: Here, meant: Meant, version: Annotated[int, Path(ge=1, le=2**53)], body: Activation
) -> Response:
    """Make an earlier release the live one, overrides by the rules of a deploy."""
    act = meant.act("release.activate", body.author, body.reason)
    if meant.dry_run:
        return answer(request, _tried(flags.store, version, act.now))
    rollback(flags.store, version, act, Consent(body.overrides))
    flags.serving.refresh()
    return answer(request, {"current": version, "release": asdict(flags.store.release(version))})


@router.get("/audit", responses=UNCHANGED)
def list_audit(  # noqa: PLR0913, PLR0917 - a list's parameters are its filters
    request: Request,
    flags: Here,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    cursor: Annotated[str | None, Query(max_length=64)] = None,
    flag: Annotated[str | None, Query(max_length=255)] = None,
    actor: Annotated[str | None, Query(max_length=500)] = None,
    action: Annotated[
        str | None, Query(max_length=64, description="Such as flag.kill, or flag for all of them.")
    ] = None,
    release: Annotated[int | None, Query(ge=0, le=2**53)] = None,
    since: Moment = None,
    until: Moment = None,
) -> Response:
    """Who changed what, newest first, entries before `cursor`."""
    wanted = Wanted(flag, actor, action, release, _moment("since", since), _moment("until", until))
    found = search(flags.store, wanted, limit=limit, cursor=cursor)
    return answer(request, {"entries": [asdict(entry) for entry in found.entries], "cursor": found.cursor})


def _tried(store: Store, version: int, now: float) -> dict[str, Any]:
    state, current = live(store)
    wanted = load_snapshot(store.payload(version))
    made = plan(state, current, wanted, now)
    staying = [standing.override for standing in made.standings if standing.verdict is not Verdict.EXPIRED]
    before = laid_over(current, state.overrides.values(), now)
    effect = record(effects(before, laid_over(wanted, staying, now), now))
    overrides = {standing.override.flag: standing.verdict for standing in made.standings}
    return {"dry_run": True, "effect": effect, "overrides": overrides}


def _moment(name: str, text: str | None) -> float | None:
    try:
        return None if text is None else parse_time(text)
    except ValueError as error:
        raise Refused("invalid-request", f"{name}: {error}") from error
