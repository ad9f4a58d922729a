"""The environments that a request may see at once: its key's, those of further keys, and those of a flag file."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from burgee.web.console.reading import Environment, FileEnvironment
from burgee.web.exchange import Need, exchange_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.web.front import Front

KEYS = b"x-burgee-keys"
"""The header field with the tokens of further environments of the project, by blanks."""
MAX_KEYS = 8


async def environments(request: Request) -> Sequence[Environment]:
    """The environments, that of the caller last.

    A further key is checked as the request's own, and adds its environment if it may read. An open service that
    follows a file also has what that says for the others.
    """
    front: Front = request.app.front
    exchange = exchange_of(request)
    own, now = exchange.caller.tenant, time.time()
    found: dict[str, Environment] = {}
    if front.written is not None and exchange.caller.name is None:
        written = await asyncio.to_thread(front.written)
        found = {name: FileEnvironment(name, snapshot, now) for name, snapshot in written.items()}
    for token in str(exchange.fields.get(KEYS, b""), "latin-1").split()[:MAX_KEYS]:
        caller = await front.access.also(exchange, token)
        if caller is not None and Need.READ in caller.may and caller.tenant.project == own.project:
            store = exchange.tenants.store(caller.tenant)
            found[caller.tenant.environment] = await asyncio.to_thread(Environment, store, now)
    found.pop(own.environment, None)
    here = await asyncio.to_thread(Environment, exchange.tenants.store(own), now)
    return [*found.values(), here]


Environments = Annotated["Sequence[Environment]", Depends(environments)]
