"""A guarded service over one store, and keys of every kind for it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind, Scope, create, revoke
from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin, Tenant
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store

HOME = Tenant("shop", "production")
OTHER = Tenant("shop", "staging")
FAR = Tenant("blog", "production")
ALL = (Scope.READ, Scope.WRITE, Scope.RELEASE)


def act(action: str = "test", *, ago: float = 0.0, until: str | None = None) -> AuditContext:
    return AuditContext(action, "ada", "because", time.time() - ago, until)


def token(store: Store, kind: Kind, *scopes: Scope, until: str | None = None) -> str:
    """A new key's token."""
    return create(store, kind, f"the {kind}", act("key.create", until=until), scopes).token


def revoked(store: Store, kind: Kind, *scopes: Scope) -> str:
    """The token of a key that was revoked."""
    made = create(store, kind, "gone", act("key.create"), scopes)
    revoke(store, made.key.id, act("key.revoke"))
    return made.token


def expired(store: Store, kind: Kind, *scopes: Scope) -> str:
    """The token of a key whose time is over."""
    return token(store, kind, *scopes, until="2020-01-01T00:00:00Z")


def release(store: Store, flags: dict[str, Any]) -> None:
    """Makes these flags the live release of a tenant."""
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
    apply(store, snapshot, Origin(commit="abc"), act("release.activate"))


def service(store: Store, **setup: Any) -> TestClient:
    """The whole service, which asks for keys."""
    given = {"ring": KeyRing(store), **setup}
    app = create_app(store, Serving(store, refresh_seconds=0), Setup(**given))
    return TestClient(app, raise_server_exceptions=False)


def shop(flags: dict[str, Any]) -> Iterator[SqliteStore]:
    """What a fixture yields: a store in memory with these flags released, closed in the end."""
    store = SqliteStore(":memory:", HOME)
    release(store, flags)
    yield store
    store.close()


def caller(store: Store, *scopes: Scope, **setup: Any) -> TestClient:
    """A client of the whole service, whose key has these scopes."""
    client = service(store, **setup)
    client.headers.update(bearer(token(store, Kind.ADMIN, *scopes)))
    return client


def admin(store: Store, **setup: Any) -> TestClient:
    """An operator who may do everything, with a reason."""
    client = caller(store, *ALL, **setup)
    client.headers["X-Burgee-Reason"] = "test"
    return client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
