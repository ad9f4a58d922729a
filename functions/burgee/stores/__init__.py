"""Where releases and overrides live: one small Protocol, and the records that pass through it.

A store is bound to one tenant (project and environment) and knows nothing of flags' meaning. All that
changes what is served goes through `commit`, one conditional transaction, so that a reader sees the state
before it or after it and never between.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, Self

from burgee.records import dataclass, field
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.model import Override


@dataclass(frozen=True, slots=True)
class Tenant:
    """The project and the environment that flags belong to."""

    project: str = "default"
    environment: str = "default"


@dataclass(frozen=True, slots=True)
class Canary:
    """A release that a share of users gets until `until`; the others get `base`, the release before it.

    `share` is a percentage; times are RFC 3339. Nothing has to happen at `until`: evaluators
    compare it with the clock.
    """

    base: int
    share: float
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """What is current; the one thing that evaluators poll.

    `version` is the served release (0 before the first) and `digest` that of its payload; `revision` counts
    every commit, so an unchanged revision means that nothing served has changed. `canary` is set while the
    release is a canary, and stays after its time until the next activation.
    """

    version: int = 0
    digest: str = ""
    revision: int = 0
    canary: Canary | None = None

    def canary_at(self, now: float) -> Canary | None:
        """The canary, if its time is not over at `now` (epoch seconds)."""
        return self.canary if self.canary is not None and now < parse_time(self.canary.until) else None

    def after(self, change: Change, digest: str) -> Pointer:
        """The pointer once a change is committed; `digest` is that of the release it activates."""
        if change.activate is None:
            return Pointer(self.version, self.digest, self.revision + 1, self.canary)
        return Pointer(change.activate, digest, self.revision + 1, change.canary)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a release came from: the Git commit, who applied it, and its message."""

    commit: str | None = None
    author: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """An immutable snapshot's record. `digest` is the SHA-256 of its payload, `size` that payload's bytes."""

    version: int
    digest: str
    origin: Origin
    created_at: str
    flags: int
    size: int


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One change: who did what to which flag, why, and what it was before and after.

    `id` sorts by the order of the commits, whatever the clocks of the writers; the store gives it when it writes.
    """

    id: str
    at: str
    actor: str
    action: str
    reason: str
    flag: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    release: int | None = None
    request_id: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class State:
    """Everything mutable, read at one moment. `retired` maps a name that Git gave up to when it did.

    `settled` maps a flag to the digest of its override's definition where the live release says the same, and the
    override stays only for the users of a canary's base. A rollback forgets it: it is not Git that says so then.
    """

    pointer: Pointer = field(default_factory=Pointer)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    retired: Mapping[str, str] = field(default_factory=dict)
    settled: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does, whole or not at all: flip the pointer, lay or lift overrides, retire names, put records.

    Activating a release ends the canary before it, and makes it a canary itself if `canary` is given.
    `settled` replaces `State.settled` where a release is activated, and is added to it otherwise.
    """

    activate: int | None = None
    canary: Canary | None = None
    lay: Sequence[Override] = ()
    lift: Sequence[str] = ()
    retire: Sequence[str] = ()
    reuse: Sequence[str] = ()
    settled: Mapping[str, str] = field(default_factory=dict)
    audit: Sequence[AuditEntry] = ()
    puts: Sequence[Put] = ()


class Shelf(StrEnum):
    """What a tenant keeps beside its flags, as small records by id."""

    KEYS = "keys"
    """API keys: what they may do, and the digest of their secret."""
    USE = "use"
    """When a key was last seen; apart from the keys, so that evaluators can write these and nothing else."""
    REQUESTS = "requests"
    """Answers to writes that carried an idempotency key."""
    PROPOSALS = "proposals"
    """Edits of the flag file that wait for a pull request."""
    SETTINGS = "settings"
    """What the project asks of the service, such as the origins of its browsers."""


@dataclass(frozen=True, slots=True)
class Put:
    """One record to write if the one there is still `before` (None: there is none), or in any case if `blind`.

    After `until` (epoch seconds) the store may forget it; readers check the time themselves.
    """

    shelf: Shelf
    id: str
    value: Mapping[str, Any]
    before: Mapping[str, Any] | None = None
    blind: bool = False
    until: float | None = None


class Store(Protocol):
    """Raises `StoreUnavailable`, `Corrupt`, `Conflict` or `NotFound` from `burgee.errors`, nothing else."""

    tenant: Tenant

    def at(self, tenant: Tenant) -> Self:
        """The same data for another tenant; closing either closes both."""

    def pointer(self) -> Pointer:
        """The current pointer; cheap, possibly a moment old. `Pointer()` before the first commit."""

    def state(self) -> State:
        """Pointer, overrides and retired names as of one moment, strongly consistent."""

    def stage(self, payload: bytes, origin: Origin, *, flags: int, at: str) -> Release:
        """Write a release that nobody serves yet and read it back; its version is one above the highest ever
        staged. Staging is invisible until a commit activates the version."""

    def release(self, version: int) -> Release:
        """The record of one release; `NotFound` if it was never fully staged."""

    def payload(self, version: int) -> bytes:
        """A release's bytes, checked against its digest (`Corrupt` if they differ)."""

    def load(self, version: int) -> tuple[Release, bytes]:
        """A release's record and bytes, as `release` and `payload` give them, for what one of them reads."""

    def releases(self, *, limit: int = 20, before: int | None = None) -> Sequence[Release]:
        """Newest first, versions below `before`."""

    def commit(self, change: Change, *, expected: int) -> Pointer:
        """Apply `change`, however large, if the pointer's revision is still `expected` and the record under each of
        its puts is what that says, else `Conflict` and nothing written.
        Activating a version that is not fully staged is `NotFound`."""

    def audit(self, *, limit: int = 50, before: str | None = None, flag: str | None = None) -> Sequence[AuditEntry]:
        """Newest first, ids below `before`."""

    def find(self, shelf: Shelf, key: str) -> Mapping[str, Any] | None:
        """One record; possibly a moment old."""

    def shelf(self, shelf: Shelf) -> Mapping[str, Mapping[str, Any]]:
        """All records of a shelf by id, in the order of their ids."""

    def keep(self, puts: Sequence[Put], audit: Sequence[AuditEntry] = ()) -> None:
        """Write records with their audit entries, all or none; Conflict if one is no longer what it was."""

    def collect(self, *, keep: int = 20) -> int:
        """Delete releases beyond the newest `keep`, never the current one nor its base; how many went."""

    def close(self) -> None:
        """Free connections; the store is not used after."""
