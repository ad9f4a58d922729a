"""Releases: what each changed, which is live, the canary with its time left, and going back to an earlier one."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict

from burgee.errors import NotFound, Refused
from burgee.evaluation.snapshots import EMPTY
from burgee.releases.deploy import OnConflict
from burgee.releases.plan import OverrideVerdict
from burgee.times import parse_time
from burgee.web.console.effects import in_sentences
from burgee.web.console.history import changed
from burgee.web.console.reading import Environment, colours, kept
from burgee.web.console.render import fragment
from burgee.web.console.screens.change import Fault
from burgee.web.dry_run import alone
from burgee.web.exchange import Need
from burgee.web.replies import etag_of
from burgee.web.routes.releases import activation_effect, listed
from burgee.web.routes.writes import CallerFlags, needs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.model import Definition, Snapshot
    from burgee.stores import Release, Store

router = APIRouter(include_in_schema=False)
PAGE = 10
MAX_NAMES = 4
Version = Annotated[int, Path(ge=1, le=2**53)]


class Row(NamedTuple):
    """A release: the flags that it changed, None if the release before it is no longer stored."""

    release: Release
    subject: str
    flags: Sequence[str] | None
    is_live: bool
    is_canary: bool


class Wanted(BaseModel):
    """What the dialog asks for: what happens to overrides that the release contradicts."""

    model_config = ConfigDict(extra="ignore")

    overrides: OnConflict = "keep"
    stale: bool = False


class FlagChange(NamedTuple):
    """A flag in a release: added, removed or changed, with the keys that changed."""

    name: str
    word: str
    changes: Sequence[str]


@router.get("/fragments/releases", **needs(Need.READ))
def list_releases(
    request: Request, flags: CallerFlags, before: Annotated[int | None, Query(ge=1, le=2**53)] = None
) -> Response:
    """Releases, newest first."""
    store, here = flags.store, Environment(flags.store)
    found = list(store.releases(limit=PAGE + 1, before=before))
    pointer, canary = here.state.pointer, here.state.pointer.canary_at(here.now)
    rows = []
    for number, one in enumerate(found[:PAGE]):
        former = found[number + 1] if number + 1 < len(found) else None
        names = None if former is None and one.version > 1 else _differing(store, former, one)
        is_newest = one.version == pointer.version
        rows.append(
            Row(
                one,
                _subject(one),
                names,
                canary.base == one.version if canary else is_newest,
                bool(canary) and is_newest,
            )
        )
    return fragment(
        request,
        "releases",
        rows=rows,
        before=found[PAGE - 1].version if len(found) > PAGE else None,
        pointer=pointer,
        canary=canary,
        spent=_spent(canary.since, canary.until, here.now) if canary else 0,
        differing=len(here.differing),
        environment=here.name,
        max_names=MAX_NAMES,
        now=here.now,
    )


@router.get("/fragments/releases/{version}", **needs(Need.READ))
def show_release(request: Request, flags: CallerFlags, version: Version) -> Response:
    """What a release changed."""
    store = flags.store
    release = store.release(version)
    former = next(iter(store.releases(limit=1, before=version)), None)
    state = store.state()
    return fragment(
        request,
        "release",
        release=release,
        subject=_subject(release),
        former=former,
        changes=_changes(_snapshot(store, former), _snapshot(store, release)),
        is_live=state.pointer.version == version,
        environment=store.tenant.environment,
        now=time.time(),
    )


@router.get("/fragments/releases/{version}/back", **needs(Need.RELEASE))
def roll_back(request: Request, flags: CallerFlags, version: Version) -> Response:
    """The dialog that makes an earlier release live."""
    here = Environment(flags.store)
    standing = sum(one.in_force(here.now) for one in here.state.overrides.values())
    return fragment(request, "roll_back", release=flags.store.release(version), here=here, overrides=standing)


@router.post("/fragments/releases/{version}/effect", **needs(Need.RELEASE))
def show_effect(request: Request, flags: CallerFlags, version: Version, body: Wanted) -> Response:
    """Who will move by going back, and the request that does it."""
    store, now = flags.store, time.time()
    newest = next(iter(store.audit(limit=1)), None) if body.stale else None
    try:
        with alone():
            seen = listed(store, store.state().pointer)
            made = activation_effect(store, version, body.overrides, now)
    except Refused as error:
        if error.code.endswith("-busy"):
            raise
        return fragment(request, "effect", faults=[Fault("", str(error))], newest=newest, flag=None, now=now)
    here, records = Environment(store, now), made["effect"]["flags"]
    found = in_sentences(records, "", {one["name"]: colours(here.definition(one["name"]), now) for one in records})
    asked: dict[str, Any] = {"act": f"/releases/{version}/activate", "method": "POST"}
    contradicted = [flag for flag, verdict in made["overrides"].items() if verdict is OverrideVerdict.CONFLICT]
    what = {"keep": "stays", "discard": "ends"}.get(body.overrides, "stops it")
    notes = [f"The override of {flag} {what}: the release says something else." for flag in contradicted]
    notes += [f"{one['pointer']} {one['detail']}" for one in made.get("warnings", ())]
    return fragment(
        request,
        "effect",
        faults=[],
        flag=None,
        effect=found._replace(notes=[*found.notes, *notes]),
        asked=asked,
        etag=etag_of(seen),
        body=json.dumps({"overrides": body.overrides}),
        exposed=False,
        replaced=None,
        newest=newest,
        now=now,
    )


def _subject(release: Release) -> str:
    """The first line of a release's message."""
    return next(iter((release.origin.message or "").splitlines()), "no message")


def _snapshot(store: Store, release: Release | None) -> Snapshot:
    return EMPTY if release is None else kept(store, release.version, release.digest)


def _differing(store: Store, before: Release | None, after: Release) -> list[str] | None:
    try:
        old, new = _snapshot(store, before)["flags"], _snapshot(store, after)["flags"]
    except NotFound:
        return None
    return sorted(name for name in {**old, **new} if old.get(name) != new.get(name))


def _changes(before: Snapshot, after: Snapshot) -> list[FlagChange]:
    old, new = before["flags"], after["flags"]
    return [
        FlagChange(name, _word(old.get(name), new.get(name)), changed(old.get(name), new.get(name)))
        for name in sorted({**old, **new})
        if old.get(name) != new.get(name)
    ]


def _word(before: Definition | None, after: Definition | None) -> str:
    return "added" if before is None else "removed" if after is None else "changed"


def _spent(since: str, until: str, now: float) -> float:
    """The share of a time that is over, in percent."""
    begin, end = parse_time(since), parse_time(until)
    return round(100 * min(max((now - begin) / max(end - begin, 1), 0), 1), 3)
