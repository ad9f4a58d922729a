"""The list of flags: what each environment serves beside what Git says, filtered and paged by the server."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Query, Request, Response

from burgee.diff.affected import needs as needs_of
from burgee.diff.transitions import ramps
from burgee.evaluation.definition import off_variant, rule_turns, schedule, scheduled, state_at
from burgee.releases.guarding import serving
from burgee.review.stale import settled
from burgee.times import format_time, parse_time
from burgee.web.console.environments import Environments  # noqa: TC001 - FastAPI reads it
from burgee.web.console.reading import colours, in_words, kept, segments
from burgee.web.console.render import fragment
from burgee.web.console.usage import last_asked, report_of
from burgee.web.console.words import ahead, clock, day, duration
from burgee.web.exchange import Need
from burgee.web.routes.flags import filtering
from burgee.web.routes.writes import needs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from burgee.model import Definition, Override
    from burgee.web.console.reading import Environment, Segment

router = APIRouter(include_in_schema=False)
PAGE = 50
MAX_REGIONS = 2
MAX_STRIP = 6
NEAR_DAYS = 45
"""A flag that expires within so many days is marked."""
Show = Literal["all", "differs", "overridden", "trial", "expiring", "settled"]
_TITLES: dict[Show, str] = {
    "all": "All",
    "differs": "Differs from Git",
    "overridden": "Overridden",
    "trial": "Canary",
    "expiring": "Expiring",
    "settled": "Same for all",
}


class Bar(NamedTuple):
    """One bar of a cell: the region, its segments, and the same in words."""

    region: str
    segments: Sequence[Segment]
    words: str
    differs: bool = False


class Cell(NamedTuple):
    """A flag in one environment: what is live, and what Git says if that differs, here or by a flag that it needs."""

    environment: str
    bars: Sequence[Bar]
    more: int
    is_absent: bool
    git: str | None


class Mark(NamedTuple):
    """Something that is under way: a kind (a class of the style sheet) and a few words."""

    kind: str
    words: str


class Row(NamedTuple):
    """A flag in the list."""

    name: str
    definition: Definition
    cells: Sequence[Cell]
    marks: Sequence[Mark]
    moved: tuple[str, str] | None
    """When it was last changed from here (RFC 3339), and by who."""
    asked: str | None = None
    """When it was last asked for, in words; None where that is unknown."""


@router.get("/fragments/flags", **needs(Need.READ))
def list_flags(
    request: Request,
    environments: Environments,
    q: Annotated[str, Query(max_length=255)] = "",
    show: Annotated[Show, Query()] = "all",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """A page of the flags that match."""
    here = environments[-1]
    chosen = _Chosen(here, q)
    names = chosen.showing(show)
    pages = max(-(-len(names) // PAGE), 1)
    page = min(page, pages)
    moved, report = _moved(here), report_of(request)
    shown = names[(page - 1) * PAGE : page * PAGE]
    return fragment(
        request,
        "flags",
        here=here,
        environments=environments,
        rows=[
            _row(name, environments, moved, chosen)._replace(asked=last_asked(report, name, here.now))
            for name in shown
        ],
        strip=[_stripped(here, one, is_guarded=one.flag in chosen.guarded) for one in chosen.overrides[:MAX_STRIP]],
        stripped=max(len(chosen.overrides) - MAX_STRIP, 0),
        trial=here.state.pointer.canary_at(here.now),
        chips=[(one, title, len(chosen.showing(one))) for one, title in _TITLES.items() if one != "settled"],
        show=show,
        q=q,
        total=len(chosen.every),
        found=len(names),
        differing=len(chosen.differing),
        page=page,
        pages=pages,
        suggestion=_suggestion(here, q) if not names else None,
    )


class _Chosen:
    """The flags that match a search, and which of them each filter shows."""

    def __init__(self, here: Environment, text: str) -> None:
        self.here = here
        self.every = here.names()
        fits = _searching(text)
        self.names = [name for name in self.every if fits(name, here.definition(name) or {})]
        self.differing = here.differing
        self.overrides = sorted(
            (one for one in here.state.overrides.values() if one.in_force(here.now) and one.flag in self.differing),
            key=lambda one: one.updated_at,
            reverse=True,
        )
        self.trial = _on_trial(here)
        self.guarded = serving(here.store, here.now)
        self._tests: dict[str, Callable[[str], bool]] = {
            "all": lambda _: True,
            "differs": self.differing.__contains__,
            "overridden": lambda name: here.override(name) is not None,
            "trial": self.trial.__contains__,
            "expiring": lambda name: _expires_soon(here.definition(name) or {}, here.now),
            "settled": self._is_settled,
        }

    def showing(self, show: Show) -> list[str]:
        """The flags of a filter: those that differ from Git first, then by name."""
        test = self._tests[show]
        return sorted(filter(test, self.names), key=lambda name: (name not in self.differing, name))

    def _is_settled(self, name: str) -> bool:
        definition = self.here.definition(name) or {}
        return not definition.get("permanent") and settled(self.here.sides[1], name) is not None


def _searching(text: str) -> Callable[[str, Any], bool]:
    """The API's filters, written `owner:payments tag:checkout status:on` beside words."""
    given: dict[str, str] = {}
    words = []
    for part in text.split():
        key, colon, value = part.partition(":")
        if colon and value and key in {"owner", "tag", "status"}:
            given[key] = value
        else:
            words.append(part)
    status = {"on": True, "off": False}.get(given.get("status", ""))
    return filtering(given.get("tag"), given.get("owner"), status, " ".join(words))


def _suggestion(here: Environment, text: str) -> tuple[str, str] | None:
    """The nearest owner or tag for one that no flag has: what to search instead, and its words."""
    for key in ("owner", "tag"):
        value = next((part.partition(":")[2] for part in text.split() if part.startswith(f"{key}:")), "")
        definitions = [here.definition(name) or {} for name in here.names()]
        known = {str(one.get("owner", "")) for one in definitions} if key == "owner" else {
            str(tag) for one in definitions for tag in one.get("tags") or ()
        }  # fmt: skip
        near = get_close_matches(value, known - {""}, 1) if value else []
        if near and near[0] != value:
            return f"{key}:{near[0]}", near[0]
    return None


def _expires_soon(definition: Definition, now: float) -> bool:
    expires = definition.get("expires")
    return expires is not None and parse_time(expires) - now < NEAR_DAYS * 86_400


def _on_trial(here: Environment) -> set[str]:
    """The flags that a release changes for the users of its canary alone."""
    canary = here.state.pointer.canary_at(here.now)
    if canary is None:
        return set()
    record = here.store.release(canary.base)
    base = kept(here.store, canary.base, record.digest)["flags"]
    return {name for name in {**base, **here.git["flags"]} if base.get(name) != here.git["flags"].get(name)}


def _moved(here: Environment) -> dict[str, tuple[str, str]]:
    """The last change of each flag among the newest entries of the audit log."""
    found: dict[str, tuple[str, str]] = {}
    for entry in here.store.audit(limit=200):
        if entry.flag is not None and not entry.action.startswith("proposal."):
            found.setdefault(entry.flag, (entry.at, entry.actor))
    return found


def _row(name: str, environments: Sequence[Environment], moved: dict[str, tuple[str, str]], chosen: _Chosen) -> Row:
    here = chosen.here
    definition = here.definition(name) or {}
    cells = [cell(name, one) for one in environments]
    return Row(name, definition, cells, list(_marks(name, definition, chosen)), moved.get(name))


def cell(name: str, environment: Environment) -> Cell:
    """A flag in one environment."""
    live = bars_of(name, environment)
    git = None
    if environment.differs(name) or environment.is_moved(name):
        said = bars_of(name, environment, of_git=True)
        live, other = _apart(live, said)
        if environment.differs(name) or other:
            git = (
                (_joined(other) or other_keys(name, environment))
                if environment.git["flags"].get(name)
                else "no such flag"
            )
    absent = name not in environment.live["flags"]
    return Cell(environment.name, live[:MAX_REGIONS], max(len(live) - MAX_REGIONS, 0), absent, git)


def bars_of(name: str, environment: Environment, *, of_git: bool = False) -> list[Bar]:
    """The bars of a flag, one a region where shares differ."""
    snapshot = environment.git if of_git else environment.live
    definition = snapshot["flags"].get(name)
    if definition is None:
        return []
    state = state_at(definition, environment.now)
    regions = environment.regions(name, of_git=of_git)
    if regions is None:
        return [Bar("", [], "too many cases to show")]
    coloured = colours(definition, environment.now)
    several = len(regions) > 1
    return [
        Bar(
            (", ".join(one.rules) or "others") if several else "",
            segments(one.shares, coloured, off_variant(state)),
            in_words(one.shares, state),
        )
        for one in regions
    ]


def other_keys(name: str, environment: Environment) -> str:
    """The keys in which Git's definition is another, where no share is: such as users who are named."""
    live, git = (side["flags"].get(name) or {} for side in (environment.live, environment.git))
    keys = [key.replace("_", " ") for key in dict.fromkeys([*live, *git]) if live.get(key) != git.get(key)]
    return f"other {', '.join(keys)}"


def _apart(live: list[Bar], said: list[Bar]) -> tuple[list[Bar], list[Bar]]:
    """What is live, the bars that differ from Git's first; and the bars of Git that differ from what is live."""
    differing = [one._replace(differs=True) for one in live if one not in said]
    return differing + [one for one in live if one in said], [one for one in said if one not in live]


def _joined(bars: Sequence[Bar]) -> str:
    """The first bars in words."""
    words = "; ".join(f"{one.words} in {one.region}" if one.region else one.words for one in bars[:MAX_REGIONS])
    return words + (f" and {len(bars) - MAX_REGIONS} more" if len(bars) > MAX_REGIONS else "")


def _marks(name: str, definition: Definition, chosen: _Chosen) -> Iterator[Mark]:
    here = chosen.here
    override = here.override(name)
    if name in chosen.guarded:
        yield Mark("ramp", "its guard")
    elif override is not None:
        end = f"ends {ahead(override.expires_at, here.now)}" if override.expires_at else "no end"
        yield Mark("override", f"{override.author}, {end}")
    canary = here.state.pointer.canary_at(here.now)
    if canary is not None and name in chosen.trial:
        yield Mark("canary", f"canary until {canary.until[11:16]}")
    if name in chosen.differing and not here.differs(name):
        moving = [flag for kind, flag in needs_of(definition) if kind == "flag" and flag in chosen.differing]
        yield Mark("differs", f"by {', '.join(dict.fromkeys(moving)) or 'a flag that it needs'}")
    yield from _by_itself(definition, here.now)
    if name in here.git.get("exposed", {}):
        yield Mark("exp", "experiment")
    expires = definition.get("expires")
    if expires is not None and _expires_soon(definition, here.now):
        rest = parse_time(expires) - here.now
        yield Mark("expires", f"expires in {duration(rest)}" if rest > 0 else f"expired {duration(-rest)} ago")


def _by_itself(definition: Definition, now: float) -> Iterator[Mark]:
    """What the definition's own schedule and ramps do next."""
    running = [one for one in ramps(definition) if parse_time(one["start"]) <= now < parse_time(one["end"])]
    if running:
        yield Mark("ramp", f"to {running[0]['to']:g}\N{NO-BREAK SPACE}% by {day(running[0]['end'])[:-5]}")
    coming = [one for one in schedule(definition) if one.at > now]
    if coming:
        keys = coming[0].keys
        what = ("on" if keys["status"] else "off") if "status" in keys else "changes"
        yield Mark("sched", f"{what} at {clock(format_time(coming[0].at))}")
    written = [state.definition for state in scheduled(definition) if state.since <= now][-1]
    for turn in sorted(turn for turn in rule_turns(written) if turn.at > now)[:1]:
        yield Mark("sched", f"{turn.rule} {turn.what} at {clock(format_time(turn.at))}")


def _stripped(here: Environment, override: Override, *, is_guarded: bool) -> dict[str, Any]:
    """An override in words, for the strip above the list."""
    live, said = bars_of(override.flag, here), bars_of(override.flag, here, of_git=True)
    differing = [one for one in live if one not in said]
    words = "absent" if override.definition is None else _joined(differing)
    git = _joined([one for one in said if one not in live])
    return {
        "override": override,
        "is_guard": is_guarded,
        "words": words,
        "git": git,
        "other": "" if differing or not live else other_keys(override.flag, here),
    }
