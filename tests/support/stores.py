"""What the tests of stores are made of."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from burgee.model import Override
from burgee.stores import AuditEntry, Change, Origin

if TYPE_CHECKING:
    from burgee.stores import Pointer, Release, Store, Tenant

AT = "2027-01-01T00:00:00Z"


class Open(Protocol):
    """Opens a store on one place for data: what one writes, another of the same tenant reads."""

    def __call__(self, tenant: Tenant | None = None) -> Store:
        """A store of a tenant, closed when the test ends."""


def staged(store: Store, payload: bytes = b"{}", flags: int = 1) -> Release:
    """A release that nobody serves yet."""
    return store.stage(payload, Origin("c0ffee", "ada", "message"), flags=flags, at=AT)


def released(store: Store, payload: bytes = b"{}") -> Pointer:
    """A release that is served."""
    change = Change(activate=staged(store, payload).version)
    return store.commit(change, expected=store.state().pointer.revision)


def committed(store: Store, **change: Any) -> Pointer:
    """A change on top of whatever there is."""
    return store.commit(Change(**change), expected=store.state().pointer.revision)


def marked(store: Store) -> int:
    """One release whose every trace names it: its override, its retired name, its audit entry; its revision."""
    state = store.state()
    number = state.pointer.revision + 1
    version = staged(store, b"release %d " % number * 5000).version
    change = Change(
        activate=version, lay=[override("a", version=version)], retire=[str(number)], audit=[entry(number)]
    )
    return store.commit(change, expected=state.pointer.revision).revision


def assert_whole(store: Store, acknowledged: int) -> int:
    """What `marked` wrote is served whole, and nothing of what was acknowledged is lost; the revision it is at."""
    state = store.state()
    revision = state.pointer.revision
    assert revision >= acknowledged
    assert [one.reason for one in store.audit(limit=10_000)] == [entry(n).reason for n in range(revision, 0, -1)]
    assert set(state.retired) == {str(number) for number in range(1, revision + 1)}
    if revision == 0:
        assert not state.overrides
        assert state.pointer.version == 0
        return 0
    assert (state.overrides["a"].definition or {})["version"] == state.pointer.version
    payload = store.payload(state.pointer.version)
    assert sha256(payload).hexdigest() == state.pointer.digest
    assert store.release(state.pointer.version).digest == state.pointer.digest
    assert payload.startswith(b"release ")
    assert payload == payload[: len(payload) // 5000] * 5000
    # The next caller can release.
    assert staged(store).version > state.pointer.version
    return revision


def override(flag: str, **definition: Any) -> Override:
    """An override, all of its fields set."""
    return Override(flag, definition, "ada", "because", AT, "2027-01-02T00:00:00Z", "2027-02-01T00:00:00Z", "abc")


def entry(number: int, flag: str | None = None, **more: Any) -> AuditEntry:
    """An audit entry, distinguished by its reason; the store gives it an id."""
    return AuditEntry("", AT, "ada", "override.lay", f"because {number}", flag=flag, **more)
