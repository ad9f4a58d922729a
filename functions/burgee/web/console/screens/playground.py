"""The playground: what one user gets of every flag, beside what they would get otherwise. It keeps nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic import Field

from burgee.errors import Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.releases.overrides import laid_over
from burgee.releases.proposals import ProposalState, find, listed, merged
from burgee.times import format_time, parse_duration, parse_time
from burgee.web.console.history import short
from burgee.web.console.reading import Environment, colours
from burgee.web.console.render import fragment
from burgee.web.console.screens.flag import Asked, context_of
from burgee.web.exchange import Need
from burgee.web.routes.writes import CallerFlags, needs

if TYPE_CHECKING:
    from burgee.model import Evaluation, Snapshot
    from burgee.stores import Store

router = APIRouter(include_in_schema=False)
MAX_ROWS = 500
NOW, GIT, NOTHING, PROPOSAL = "now", "git", "", "proposal:"


class Question(Asked):
    """A user and a context, a time, and what to compare with."""

    at: str = Field("", max_length=40)
    against: str = Field(NOTHING, max_length=80)


class Shown(NamedTuple):
    """An answer: the variant in words, its colour and value, and why."""

    words: str
    colour: int = 0
    value: str = ""
    reason: str = ""


class Row(NamedTuple):
    """A flag's answer; `other` is the one that it is compared with, None without a comparison."""

    flag: str
    answer: Shown
    other: Shown | None
    differs: bool


@router.get("/fragments/playground", **needs(Need.READ))
def show(request: Request, flags: CallerFlags) -> Response:
    """The form."""
    now = time.time()
    waiting = [one for one in listed(flags.store, now) if one.state in {ProposalState.WAITING, ProposalState.OPENED}]
    return fragment(
        request, "playground", environment=flags.store.tenant.environment, proposals=waiting, prefix=PROPOSAL
    )


@router.post("/fragments/playground", **needs(Need.READ))
def answer(request: Request, flags: CallerFlags, body: Question) -> Response:
    """Every flag's answer."""
    context, now = context_of(body), time.time()
    here, moment = Environment(flags.store, now), _moment(body.at, now)
    overrides = list(here.state.overrides.values())
    live = laid_over(here.git, overrides, moment)
    answers = Ruleset(live).evaluate_all(context, moment)
    other, words = _compared(flags.store, here, live, body.against, moment)
    compared = Ruleset(other[0]).evaluate_all(context, other[1]) if other is not None else {}
    every = {**answers, **compared}
    differing = {
        name for name in every if other is not None and _outcome(answers.get(name)) != _outcome(compared.get(name))
    }
    rows = [
        Row(
            name,
            _shown(name, answers.get(name), here),
            None if other is None else _shown(name, compared.get(name), here),
            name in differing,
        )
        for name in sorted(every, key=lambda name: (name not in differing, name))[:MAX_ROWS]
    ]
    return fragment(
        request,
        "playground_answers",
        rows=rows,
        more=len(every) - len(rows),
        differing=len(differing),
        total=len(every),
        user=body.user,
        words=words,
        at=None if not body.at.strip() else format_time(moment),
        environment=here.name,
    )


def _moment(text: str, now: float) -> float:
    """A time as typed: empty for now, `+2d` from now, or RFC 3339. Raises Refused."""
    typed = text.strip()
    try:
        if not typed:
            return now
        return now + parse_duration(typed[1:]) if typed.startswith("+") else parse_time(typed)
    except ValueError as error:
        raise Refused("invalid-request", f"at: {error}") from error


def _compared(
    store: Store, here: Environment, live: Snapshot, against: str, moment: float
) -> tuple[tuple[Snapshot, float] | None, str]:
    """The snapshot and time to compare with, and what that is in words. Raises Refused for an unknown one."""
    if against == NOTHING:
        return None, ""
    if against == GIT:
        return (here.git, moment), "as Git says"
    if against == NOW:
        return (laid_over(here.git, here.state.overrides.values(), here.now), here.now), "now"
    if against.startswith(PROPOSAL):
        proposal = find(store, against.removeprefix(PROPOSAL))
        return (merged(proposal.edit, live, here.git), moment), f"with “{proposal.title}”"
    raise Refused("invalid-request", f"against: {against[:80]!r} is unknown")


def _shown(name: str, answer: Evaluation | None, here: Environment) -> Shown:
    if answer is None:
        return Shown("no such flag")
    if answer.error_code is not None:
        return Shown("an error", reason=f"{answer.error_code}: {answer.error_message}")
    colour = colours(here.definition(name), here.now).get(answer.variant, 0)
    return Shown(answer.variant or "no value", colour, short(answer.value), str(answer.reason).lower())


def _outcome(answer: Evaluation | None) -> tuple[object, ...] | None:
    return None if answer is None else (answer.variant, repr(answer.value), answer.error_code)
