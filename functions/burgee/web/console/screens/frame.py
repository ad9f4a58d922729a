"""What stands around every screen: the navigation, what is served, and who is signed in."""

from __future__ import annotations

import time
from typing import NamedTuple

from fastapi import APIRouter, Request, Response

from burgee.web.console.environments import Environments  # noqa: TC001 - FastAPI reads it
from burgee.web.console.render import fragment
from burgee.web.exchange import ANYONE, Caller, Need, exchange_of
from burgee.web.routes.writes import CallerFlags, needs

router = APIRouter(include_in_schema=False)


class Screen(NamedTuple):
    """A screen in the navigation: its address below `/console/`, and the key after `g` that opens it."""

    name: str
    title: str
    icon: str
    key: str
    number: int | None = None
    need: Need = Need.READ


SCREENS = (
    Screen("flags", "Flags", "flag", "f"),
    Screen("changes", "What changed", "changes", "c"),
    Screen("releases", "Releases", "releases", "r"),
    Screen("rollouts", "Rollouts", "rollouts", "u"),
    Screen("proposals", "Proposals", "out", "o"),
    Screen("playground", "Playground", "playground", "p"),
    Screen("experiments", "Experiments", "experiments", "e"),
    Screen("health", "Health", "health", "h"),
    Screen("keys", "Keys", "keys", "y", need=Need.KEYS),
)
KILLING = Screen("switch-off", "Switch off", "close", "f", need=Need.KILL)
"""The one screen of a caller who may not read."""
_SCOPES = {
    Need.READ: "read",
    Need.PROPOSE: "propose",
    Need.KILL: "kill",
    Need.WRITE: "write",
    Need.RELEASE: "release",
}


@router.get("/fragments/frame", **needs(Need.CONSOLE))
def frame(request: Request, flags: CallerFlags, environments: Environments) -> Response:
    """The navigation and the foot."""
    exchange = exchange_of(request)
    caller = exchange.caller
    return fragment(
        request,
        "frame",
        screens=shown(request),
        status=flags.serving.status(),
        release=flags.serving.served().ruleset.release,
        tenant=flags.store.tenant,
        now=time.time(),
        who=caller.name or ANYONE,
        initial=(caller.name or "·")[0],
        scopes=scopes(caller),
        environments=[one.name for one in environments],
    )


def shown(request: Request) -> list[Screen]:
    """The screens that a caller may open, of what this service has."""
    may, experiments = exchange_of(request).caller.may, request.app.state.experiments
    if Need.READ not in may:
        return [KILLING]
    return [one for one in SCREENS if one.need in may and (one.name != "experiments" or experiments is not None)]


def scopes(caller: Caller) -> str:
    """What a caller may do, in words."""
    if caller.name is None:
        return "everything, without a key"
    return ", ".join(word for need, word in _SCOPES.items() if need in caller.may)
