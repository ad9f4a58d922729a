"""The fragments of each screen: a router in a module of its own, listed here."""

from __future__ import annotations

from burgee.web.console.screens import change, changes, find, flag, flags, frame, releases

ROUTERS = (
    frame.router,
    flags.router,
    flag.router,
    change.router,
    changes.router,
    releases.router,
    find.router,
)
