"""Find or do: flags, screens and actions by a few typed words. Nothing acts before its effect is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from burgee.web.console.environments import Environments  # noqa: TC001 - FastAPI reads it
from burgee.web.console.render import fragment
from burgee.web.console.screens.frame import shown
from burgee.web.exchange import Need, exchange_of
from burgee.web.routes.writes import needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from burgee.web.console.reading import Environment

router = APIRouter(include_in_schema=False)
MAX_FLAGS = 8
MAX_ACTIONS = 4
_VERBS = {"off": "off", "switch": "off", "kill": "off", "change": "change", "edit": "change", "propose": "change"}

NEW = "New flag…"


class Typed(BaseModel):
    """The typed words; in a body, as they may name a user."""

    model_config = ConfigDict(extra="forbid")

    q: str = Field("", max_length=200)


class Option(NamedTuple):
    """Something to choose: an address to go to, or a dialog to open."""

    group: str
    icon: str
    words: str
    note: str = ""
    page: str = ""
    dialog: str = ""
    own: tuple[str, str] | None = None
    """What the page's script does by itself: the name and the value of a data attribute."""


@router.get("/fragments/find", **needs(Need.READ))
def palette(request: Request, environments: Environments) -> Response:
    """The field and what can be chosen before anything is typed."""
    return fragment(request, "find", options=_options(request, environments, ""), typed="")


@router.post("/fragments/find", **needs(Need.READ))
def matching(request: Request, environments: Environments, body: Typed) -> Response:
    """What can be chosen for the typed words."""
    return fragment(request, "find_options", options=_options(request, environments, body.q), typed=body.q)


def _options(request: Request, environments: Sequence[Environment], text: str) -> Sequence[Option]:
    words = text.casefold().split()
    named = [word for word in words if word not in _VERBS]
    verb = next((_VERBS[word] for word in words if word in _VERBS), None)
    here = environments[-1]
    found = [name for name in here.names() if all(word in name.casefold() for word in named)] if words else []
    actions = found if named else []
    may = exchange_of(request).caller.may
    may_propose = Need.PROPOSE in may
    dialog = verb if may_propose else "kill" if verb == "off" and Need.KILL in may else None
    made = list(_actions(here, actions, verb, dialog)) if verb and dialog else []
    if may_propose and words and all(word in NEW.casefold() for word in words):
        made.append(Option("Do", "flag", NEW, "a pull request", dialog="new-flag"))
    made += [
        Option("Flags", "flag", name, "not as Git says" if here.differs(name) else "", page=f"flags/{name}")
        for name in found[:MAX_FLAGS]
    ]
    made += [
        Option("Go to", one.icon, one.title, f"g {one.key}", page=one.name)
        for one in shown(request)
        if all(word in one.title.casefold() for word in words)
    ]
    made += [one for one in _session(request, environments) if all(word in one.words.casefold() for word in words)]
    return made


def _session(request: Request, environments: Sequence[Environment]) -> Iterator[Option]:
    """What is at the foot of a wide page, and has no place on a phone."""
    caller = exchange_of(request).caller
    if caller.key is not None:
        for one in environments[:-1]:
            yield Option("This session", "flag", f"Act in {one.name}", own=("switch", one.name))
        yield Option("This session", "keys", "Add an environment…", own=("add", ""))
    if caller.name is not None:
        yield Option("This session", "out", "Sign out", own=("out", ""))


def _actions(here: Environment, names: Sequence[str], verb: str, dialog: str) -> Iterator[Option]:
    made = 0
    for name in names:
        definition = here.live["flags"].get(name)
        if made == MAX_ACTIONS:
            return
        if definition is None or (verb == "off" and not definition.get("status")):
            continue
        made += 1
        words = f"Switch off {name} in {here.name}…" if verb == "off" else f"Change {name} in {here.name}…"
        yield Option(
            "Do", "close" if verb == "off" else "flag", words, "shows who will move", dialog=f"flags/{name}/{dialog}"
        )
