"""What changed: the audit log in words, with what flags did by themselves, newest first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from fastapi import APIRouter, Path, Query, Request, Response

from burgee.diff.timeline import coming
from burgee.diff.transitions import ramps, turns
from burgee.diff.world import World
from burgee.errors import Refused
from burgee.evaluation.definition import schedule
from burgee.releases.deploy import live
from burgee.releases.overrides import laid_over
from burgee.stores.audit import AuditFilter, search
from burgee.times import format_time, parse_time
from burgee.web.console.history import Happened, happened
from burgee.web.console.render import fragment
from burgee.web.dry_run import alone, effect_in_words
from burgee.web.exchange import Need
from burgee.web.routes.writes import CallerFlags, needs
from burgee.webhooks.changes import served_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.model import Definition, Override
    from burgee.stores import AuditEntry, Store

router = APIRouter(include_in_schema=False)
MAX_ENTRIES = 100
MAX_READ = 1000
PATIENCE_SECONDS = 2.0
"""How long what flags did by themselves may take to compute."""
Since = Literal["15m", "1h", "6h", "1d", "7d", "30d"]
WINDOWS: dict[Since, tuple[int, str]] = {
    "15m": (900, "15 min"),
    "1h": (3_600, "1 hour"),
    "6h": (21_600, "6 hours"),
    "1d": (86_400, "1 day"),
    "7d": (604_800, "7 days"),
    "30d": (2_592_000, "30 days"),
}
Show = Literal["all", "flags", "releases", "proposals", "admin"]
_KINDS: dict[Show, tuple[str, tuple[str, ...]]] = {
    "all": ("Everything", ()),
    "flags": ("Flags", ("flag", "override", "guard")),
    "releases": ("Releases", ("release", "canary")),
    "proposals": ("Proposals", ("proposal",)),
    "admin": ("Keys and settings", ("key", "settings", "webhook")),
}
_MARKS = {
    "flag": ("override", "override"),
    "override": ("override", "override"),
    "release": ("guard", "release"),
    "canary": ("canary", "canary"),
    "proposal": ("exp", "proposal"),
}
EntryId = Annotated[str, Path(max_length=64)]


class Shown(NamedTuple):
    """A line of the feed: an entry of the audit log, or (without an id) what a flag did by itself."""

    at: str
    flag: str | None
    mark: tuple[str, str]
    """A class of the style sheet, and a word."""
    happened: Happened
    by: str
    reason: str = ""
    id: str | None = None
    can_end: bool = False
    """Whether it is an override that is still in force."""
    is_alarm: bool = False
    moves_users: bool = True


@router.get("/fragments/changes", **needs(Need.READ))
def list_changes(
    request: Request,
    flags: CallerFlags,
    since: Annotated[Since, Query()] = "1d",
    show: Annotated[Show, Query()] = "all",
    q: Annotated[str, Query(max_length=255)] = "",
) -> Response:
    """What happened within a time, newest first."""
    now = time.time()
    start = now - WINDOWS[since][0]
    entries = search(flags.store, AuditFilter(since=start), limit=MAX_READ).entries
    overrides = flags.store.state().overrides
    every = [shown(one, overrides.get(one.flag or ""), now) for one in entries]
    if show in {"all", "flags"}:
        every += _by_themselves(flags.store, entries, start, now)
    found = [one for one in sorted(every, key=lambda one: one.at, reverse=True) if _fits(one, show, q)]
    return fragment(
        request,
        "changes",
        entries=found[:MAX_ENTRIES],
        more=max(len(found) - MAX_ENTRIES, 0),
        number=len(found),
        touched=len({one.flag for one in found if one.flag}),
        windows=[(name, words) for name, (_, words) in WINDOWS.items()],
        kinds=[(name, title) for name, (title, _) in _KINDS.items()],
        within=WINDOWS[since][1],
        since=since,
        show=show,
        q=q,
        environment=flags.store.tenant.environment,
        now=now,
    )


@router.get("/fragments/changes/{entry_id}", **needs(Need.READ))
def show_change(request: Request, flags: CallerFlags, entry_id: EntryId) -> Response:
    """One entry, at an address of its own."""
    found, now = entry(flags.store, entry_id), time.time()
    override = flags.store.state().overrides.get(found.flag or "")
    return fragment(
        request,
        "changed",
        entry=found,
        line=shown(found, override, now),
        environment=flags.store.tenant.environment,
        now=now,
    )


@router.get("/fragments/changes/{entry_id}/effect", **needs(Need.READ))
def show_effect(request: Request, flags: CallerFlags, entry_id: EntryId) -> Response:
    """Who moved by an entry."""
    found = entry(flags.store, entry_id)
    with alone():
        served = served_by(flags.store, found)
        lines = [] if served is None else effect_in_words(served.before, served.after, parse_time(found.at))
    return fragment(request, "changed_effect", lines=lines, first="" if served is None else served.first)


def entry(store: Store, entry_id: str) -> AuditEntry:
    """An entry of the audit log. Raises Refused if there is none."""
    # "~" sorts after every character of an id.
    for found in store.audit(limit=1, before=f"{entry_id}~"):
        if found.id == entry_id:
            return found
    raise Refused("not-found", f"the audit log has no entry {entry_id!r}")


def shown(one: AuditEntry, override: Override | None, now: float) -> Shown:
    """An entry as a line; `override` is the one on its flag now."""
    topic = one.action.partition(".")[0]
    mark = ("canary", "canary") if (one.after or {}).get("canary") else _MARKS.get(topic, ("admin", topic))
    stands = override is not None and override.in_force(now) and override.updated_at == one.at
    return Shown(
        one.at,
        one.flag,
        mark,
        happened(one),
        one.actor + (f" ({one.source})" if one.source else ""),
        one.reason,
        one.id,
        can_end=stands,
        is_alarm=one.action == "release.withdraw",
        moves_users=topic in {"flag", "override", "release", "canary"}
        or (topic == "guard" and one.after is not None),
    )


def _fits(one: Shown, show: Show, q: str) -> bool:
    topics = _KINDS[show][1]
    topic = "override" if one.mark[1] == "by itself" else one.mark[1]
    text = " ".join((one.flag or "", one.by, one.reason, one.happened.what)).casefold()
    return (not topics or topic in topics) and all(word in text for word in q.casefold().split())


def _by_themselves(store: Store, entries: Sequence[AuditEntry], start: float, now: float) -> Iterator[Shown]:
    """What schedules and ramps did, as the flags are defined now: so only since each flag's last change."""
    state, snapshot = live(store)
    served = laid_over(snapshot, state.overrides.values(), now)
    last = {one.flag: parse_time(one.at) for one in reversed(entries)}
    released = max((parse_time(one.at) for one in entries if one.action.startswith("release.")), default=start)
    deadline = time.monotonic() + PATIENCE_SECONDS
    world = World(lambda: time.monotonic() > deadline)
    for name, definition in served["flags"].items():
        since = max(start, released, last.get(name, start))
        if not _moves(definition, since, now):
            continue
        for one in coming(served, [name], since, world):
            if since <= one.at <= now and time.monotonic() <= deadline:
                what = Happened(one.what, one.moves)
                yield Shown(format_time(one.at), name, ("sched", "by itself"), what, "by itself, as Git says")


def _moves(definition: Definition, since: float, now: float) -> bool:
    """Whether a flag's schedule or ramps do anything within a time."""
    moments = [*(one.at for one in schedule(definition)), *turns(definition)]
    return any(since <= moment <= now for moment in moments) or any(
        parse_time(one["start"]) <= now and since <= parse_time(one["end"]) for one in ramps(definition)
    )
