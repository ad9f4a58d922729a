"""A canary at a given time: releases, overrides, and who did it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.releases.deploy import CanaryRequest, Consent, apply, write
from burgee.releases.overrides import lay
from burgee.stores import Origin
from burgee.stores.audit import AuditContext

if TYPE_CHECKING:
    from burgee.stores import Store

NOW = 1_795_500_000.0
ON, OFF = {"status": True}, {"status": False}
TENTH = Consent(canary=CanaryRequest(10, 900))


def snapshot(**flags: Any) -> dict[str, Any]:
    return {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}


def act(now: float = NOW, action: str = "release.activate") -> AuditContext:
    return AuditContext(action, "ada", "because", now)


def release(store: Store, consent: Consent | None = None, now: float = NOW, **flags: Any) -> Any:
    return apply(store, snapshot(**flags), Origin("abc"), act(now), consent)


def override(store: Store, flag: str, definition: Any, now: float = NOW) -> None:
    write(store, lambda state, current: lay(state, current, flag, definition, act(now, "override.set")))
