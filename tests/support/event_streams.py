"""A flag that pages follow on an event stream, and a change of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from burgee.releases.deploy import write
from burgee.releases.overrides import lay
from burgee.stores.audit import AuditContext

if TYPE_CHECKING:
    from burgee.stores.sqlite import SqliteStore


FLAGS: dict[str, Any] = {"beta": {"status": True, "client": True}}


def kill(store: SqliteStore, until: str | None = None, flag: str = "beta") -> None:
    act = AuditContext("flag.kill", "ada", "why", time.time(), until)
    write(store, lambda state, git: lay(state, git, flag, {"status": False, "client": True}, act))
