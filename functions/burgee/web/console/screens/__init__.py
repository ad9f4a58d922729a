"""The fragments of each screen: a router in a module of its own, listed here."""

from __future__ import annotations

from burgee.web.console.screens import (
    change,
    changes,
    experiments,
    find,
    flag,
    flags,
    frame,
    health,
    keys,
    new_flag,
    playground,
    proposals,
    releases,
    rollouts,
)

_SCREENS = (
    frame,
    flags,
    flag,
    change,
    new_flag,
    changes,
    releases,
    rollouts,
    proposals,
    playground,
    experiments,
    keys,
    health,
    find,
)
ROUTERS = tuple(screen.router for screen in _SCREENS)
