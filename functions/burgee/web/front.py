"""What stands before the routes of either application, in the order in which a request meets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from burgee.web.access import Access, Gate
from burgee.web.body import BodyGuard, Hosts
from burgee.web.cors import Cors
from burgee.web.limits import DEFAULT, Limiter, Limits
from burgee.web.observe import Observe

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import Scope

    from burgee.keyring import KeyRing
    from burgee.web.access import Caller
    from burgee.web.observe import Seen
    from burgee.web.tenants import Tenants


@dataclass(frozen=True, slots=True)
class Setup:
    """How a service is guarded. Without `ring` and `vouched` it is open, which is for loopback addresses alone.

    `vouched` tells who a request comes from where something before us has made sure of that.
    """

    ring: KeyRing | None = None
    vouched: Callable[[Scope], Caller | None] | None = None
    watch: Callable[[Seen], None] | None = None
    limits: Limits | None = DEFAULT
    hosts: frozenset[str] = frozenset()
    """The only names it answers to, against pages that rebind a name to this machine; any if empty."""
    origins: frozenset[str] = frozenset()
    """Web origins that may ask whatever the settings of a project say."""


def front(tenants: Tenants, setup: Setup) -> list[Middleware]:
    """The middleware, outermost first."""
    access = Access(tenants.home, setup.ring, setup.vouched)
    keyed = setup.ring is not None or setup.vouched is not None
    return [
        Middleware(Observe, watch=setup.watch),
        Middleware(Cors, tenants=tenants, origins=setup.origins, keyed=keyed),
        *([Middleware(Hosts, hosts=setup.hosts)] if setup.hosts else []),
        Middleware(BodyGuard),
        Middleware(Gate, access=access, tenants=tenants),
        *([Middleware(Limiter, limits=setup.limits)] if setup.limits is not None else []),
    ]
