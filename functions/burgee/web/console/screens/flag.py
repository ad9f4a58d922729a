"""One flag: who gets what and why, live beside Git, what happened and what comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from burgee.diff.affected import needs as needed
from burgee.diff.timeline import coming
from burgee.diff.world import World
from burgee.errors import Refused
from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.context import TARGETING_KEY, literal
from burgee.evaluation.definition import variants
from burgee.evaluation.explanations import describe
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.fields import Name
from burgee.times import format_time
from burgee.web.console.environments import Environments  # noqa: TC001 - FastAPI reads it
from burgee.web.console.guards import guard_view
from burgee.web.console.history import happened, short
from burgee.web.console.reading import Environment, colours, kept
from burgee.web.console.render import fragment
from burgee.web.console.screens.flags import bars_of
from burgee.web.console.screens.rollouts import ACTS
from burgee.web.console.sentences import ELSE, EVERYBODY, lines
from burgee.web.console.usage import of_flag, report_of
from burgee.web.console.words import NO_BREAK
from burgee.web.exchange import Need, exchange_of
from burgee.web.routes.writes import CallerFlags, needs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.evaluation.ruleset import ClientView
    from burgee.model import Definition

router = APIRouter(include_in_schema=False)
MAX_ENTRIES = 12
MAX_RELEASES = 20
MAX_ATTRIBUTES = 50
PATIENCE_SECONDS = 2.0
"""How long the coming changes of a flag may take to compute."""


class Asked(BaseModel):
    """A user and a context, as typed: `country=DE plan="pro plus"`. They are neither stored nor logged."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field("", max_length=500)
    context: str = Field("", max_length=4000)


class Step(NamedTuple):
    """A step of an evaluation: `light` is a class of the style sheet."""

    light: str
    sign: str
    name: str
    notes: list[str]
    truth: str


@router.get("/fragments/flags/{flag}", **needs(Need.READ))
def show_flag(request: Request, environments: Environments, flag: Annotated[str, Name]) -> Response:
    """The page of a flag."""
    here = environments[-1]
    definition = here.definition(flag)
    override = here.override(flag)
    if definition is None and override is None:
        raise Refused("not-found", f"there is no flag {flag!r}")
    shown = definition or {}
    live, git = here.sides[1], here.sides[0]
    return fragment(
        request,
        "flag",
        flag=flag,
        here=here,
        environments=[_beside(flag, one) for one in environments],
        definition=shown,
        variants=_variants(shown, here.now),
        lines=lines(flag, live, git),
        broken=live.broken(flag),
        override=override if here.differs(flag) else None,
        is_on=bool((live.state(flag) or {}).get("status")),
        is_gone=flag not in here.live["flags"],
        coming=_coming(flag, here),
        guard=None if here.is_file else guard_view(here, flag),
        guard_acts={step: words for step, (words, _, _) in ACTS.items()},
        past=[(entry, happened(entry)) for entry in here.store.audit(limit=MAX_ENTRIES, flag=flag)],
        requires=[one for kind, one in needed(shown) if kind == "flag"],
        required_by=_required_by(flag, here),
        segments=_segments(shown, here),
        exposed=flag in here.git.get("exposed", {}),
        usage=of_flag(report_of(request), flag),
    )


def _variants(definition: Definition, now: float) -> list[tuple[str, str, int]]:
    """Each variant with its value and colour."""
    coloured = colours(definition, now)
    return [(name, short(value), coloured.get(name, 0)) for name, value in variants(definition).items()]


def _beside(flag: str, here: Environment) -> dict[str, Any]:
    """What is live and what Git says in one environment; `is_moved`: it differs by a flag that it needs alone."""
    live, git = bars_of(flag, here), bars_of(flag, here, of_git=True)
    differs = here.differs(flag)
    is_moved = not differs and live != git and here.is_moved(flag)
    live = [one._replace(differs=(differs or is_moved) and one not in git) for one in live]
    shown = {"name": here.name, "is_file": here.is_file, "live": live, "git": git}
    return {**shown, "differs": differs, "is_moved": is_moved}


def _coming(flag: str, here: Environment) -> list[tuple[str, str, list[str]]]:
    """What the flag does by itself from now on: when, what, and who moves."""
    found: list[tuple[str, str, list[str]]] = []
    override = here.override(flag)
    if override is not None and override.expires_at is not None:
        found.append((override.expires_at, "The override ends; Git applies again", []))
    if flag in here.live["flags"]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        world = World(lambda: time.monotonic() > deadline)
        found += [
            (format_time(one.at), one.what, list(one.moves)) for one in coming(here.live, [flag], here.now, world)
        ]
    return sorted(found, key=lambda one: one[0])


def _required_by(flag: str, here: Environment) -> list[str]:
    return [name for name, other in here.live["flags"].items() if ("flag", flag) in set(needed(other))]


def _segments(definition: Definition, here: Environment) -> list[tuple[str, str]]:
    conditions = here.live.get("segments", {})
    names = dict.fromkeys(name for kind, name in needed(definition) if kind == "segment")
    return [(name, describe(conditions[name]) if name in conditions else "missing") for name in names]


@router.get("/fragments/flags/{flag}/releases", **needs(Need.READ))
def show_releases(request: Request, flags: CallerFlags, flag: Annotated[str, Name]) -> Response:
    """The releases that changed a flag, among the newest."""
    releases = list(flags.store.releases(limit=MAX_RELEASES))
    snapshots = [kept(flags.store, one.version, one.digest)["flags"].get(flag) for one in releases]
    found = [
        release
        for release, now, before in zip(releases, snapshots, [*snapshots[1:], None], strict=True)
        if now != before
    ]
    return fragment(request, "flag_releases", releases=found, looked=len(releases), now=time.time())


@router.post("/fragments/flags/{flag}/why", **needs(Need.READ))
def explain(request: Request, flags: CallerFlags, flag: Annotated[str, Name], body: Asked) -> Response:
    """What a user gets, and each step to it; what Git would give, if that is something else."""
    context = context_of(body)
    exchange, now = exchange_of(request), time.time()
    ruleset: Ruleset | ClientView = exchange.flags(context, now)
    found = ruleset.explain(flag, context, now)
    here = Environment(flags.store, now)
    git = Ruleset(here.git).evaluate(flag, context, now) if here.differs(flag) else None
    return fragment(
        request,
        "why",
        flag=flag,
        user=body.user,
        found=found,
        value=short(found["value"]),
        colour=colours(here.definition(flag), now).get(found["variant"], 0),
        steps=list(_steps(found)),
        git=git if git is not None and git.variant != found["variant"] else None,
    )


def context_of(asked: Asked) -> dict[str, Any]:
    """The evaluation context of what was typed. Raises Refused for what is not an attribute."""
    context: dict[str, Any] = {TARGETING_KEY: asked.user.strip()} if asked.user.strip() else {}
    for part in _words(asked.context):
        path, equals, value = part.partition("=")
        if not equals or not path or len(context) > MAX_ATTRIBUTES:
            raise Refused("invalid-request", f"context: {part[:80]!r} is not written as country=DE")
        place = context
        *outer, last = path.split(".")
        for key in outer:
            place = place.setdefault(key, {})
            if not isinstance(place, dict):
                raise Refused("invalid-request", f"context: {path[:80]!r} is an attribute and has attributes")
        try:
            place[last] = literal(value)
        except ValueError as error:
            raise Refused("invalid-request", f"context: {error}") from error
    return context


def _words(text: str) -> Iterator[str]:
    """The parts of a typed context, by blanks and commas outside of double quotes."""
    part, quoted = "", False
    for character in text:
        if character == '"':
            quoted = not quoted
        if not quoted and character in " ,\n\t":
            if part:
                yield part
            part = ""
        else:
            part += character
    if part:
        yield part


def _steps(found: dict[str, Any]) -> Iterator[Step]:
    """The steps of an explanation in words."""
    is_alone = len(found["steps"]) == 1
    for one in found["steps"]:
        name, notes = _step_name(one["step"], is_alone=is_alone), list(one.get("why", ()))
        answers = one["verdict"] == "answered"
        if "bucket" in one and not one.get("why"):
            inside = one["from"] <= one["bucket"] < one["below"]
            notes.append(placed(one["bucket"], one["from"], one["below"], inside=inside))
            if not inside and not answers:
                yield Step("warn", "!", name, ["its condition holds", *notes], "falls through")
                continue
        if "arm" in one and answers:
            notes.append(f"its place among the variants is {one['arm']:,} of {one['arms']:,}")
        if answers:
            yield Step("ok", "✓", name, notes, "answers")
        elif one["step"].startswith("requires "):
            yield Step("ok", "✓", name, notes, "true")
        else:
            yield Step("off", "\N{EN DASH}", name, notes, "no")


def placed(bucket: int, low: int, high: int, *, inside: bool) -> str:
    """Where a user is on the hash line, beside the share that is served there."""
    place, first, end = (f"{100 * one / BUCKETS:g}{NO_BREAK}%" for one in (bucket, low, high))
    return f"place {place} is {'' if inside else 'not '}{f'from {first} to' if low else 'below'} {end}"


def _step_name(step: str, *, is_alone: bool) -> str:
    if step.startswith("requires "):
        flag, _, variant = step.removeprefix("requires ").partition(" = ")
        return f"{flag} gives {variant}"
    return {"status": "It is off", "targets": "Named?", "default": EVERYBODY if is_alone else ELSE}.get(step, step)
