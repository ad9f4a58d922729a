"""Stores releases and overrides: one small Protocol, and its records.

A store is bound to one tenant (project and environment) and does not interpret flags. Every change to what is served
goes through `commit`, one conditional transaction, so that readers see the state before or after it, never in
between.
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
    """The project and environment of the flags."""

    project: str = "default"
    environment: str = "default"


@dataclass(frozen=True, slots=True)
class Canary:
    """A release that a share of users gets until `until`; the others get `base`, the previous release.

    `share` is a percentage; times are RFC 3339. No action is needed at `until`: evaluators compare it with the clock.
    """

    base: int
    share: float
    since: str
    until: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """The current release; the only record that evaluators poll.

    `version` is the served release (0 before the first) and `digest` that of its payload; `revision` counts every
    commit, so an unchanged revision means that nothing served has changed. `canary` is set while the release is a
    canary, and remains after it ends until the next activation.
    """

    version: int = 0
    digest: str = ""
    revision: int = 0
    canary: Canary | None = None

    def canary_at(self, now: float) -> Canary | None:
        """The canary, unless it has ended at `now` (epoch seconds)."""
        return self.canary if self.canary is not None and now < parse_time(self.canary.until) else None

    def after(self, change: Change, digest: str) -> Pointer:
        """The pointer after a commit; `digest` is that of the release it activates."""
        if change.activate is None:
            return Pointer(self.version, self.digest, self.revision + 1, self.canary)
        return Pointer(change.activate, digest, self.revision + 1, change.canary)


@dataclass(frozen=True, slots=True)
class Origin:
    """The origin of a release: the Git commit, who applied it, and its message."""

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
    """One change: who did what to which flag, why, and the values before and after.

    `id` sorts in commit order, regardless of the writers' clocks; the store assigns it.
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
    """All mutable data, read at one moment. `retired` maps a name removed from Git to the time of its removal.

    `settled` maps a flag to the digest of its override's definition if the live release has the same definition and
    the override stays only for the users of a canary's base. A rollback clears it, as Git no longer agrees then.
    """

    pointer: Pointer = field(default_factory=Pointer)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    retired: Mapping[str, str] = field(default_factory=dict)
    settled: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does, atomically: move the pointer, set or clear overrides, retire names, put records.

    Activating a release ends the previous canary, and makes the release a canary if `canary` is given. `settled`
    replaces `State.settled` if a release is activated, and is added to it otherwise.
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
    """The kinds of small records, by id, that a tenant stores beside its flags."""

    KEYS = "keys"
    """API keys: their permissions, and the digest of their secret."""
    USE = "use"
    """When a key was last seen; separate from the keys, so that evaluators can write only these."""
    REQUESTS = "requests"
    """Answers to writes with an idempotency key."""
    PROPOSALS = "proposals"
    """Edits of the flag file that wait for a pull request."""
    GUARDS = "guards"
    """The state of each guarded rollout, by flag."""
    GUARD_DAYS = "guard-days"
    """The aggregates of a guard's closed days, by flag; they can be asked for again."""
    SEEN = "seen"
    """Which revisions each evaluator answers with, and since when; evaluators write these."""
    SOCKETS = "sockets"
    """Connections of the WebSocket API, of all environments of a project, and what they have been notified of."""
    REVISIONS = "revisions"
    """When each revision was committed; the store writes these."""
    WEBHOOKS = "webhooks"
    """Receivers of changes, with their sealed URLs and secrets."""
    MESSAGES = "messages"
    """What webhooks are sent, by the id of the audit entry."""
    DELIVERIES = "deliveries"
    """Messages that wait to be sent, by webhook and message."""
    DEAD_LETTERS = "dead-letters"
    """Messages that a webhook did not accept within a day."""
    OUTBOX = "outbox"
    """How far the audit log has been turned into deliveries, and who is sending."""
    SETTINGS = "settings"
    """The project's settings of the service, such as CORS origins."""


@dataclass(frozen=True, slots=True)
class Put:
    """One record to write if the stored one is still `before` (None: absent), or unconditionally if `blind`.

    A `value` of None deletes it. After `until` (epoch seconds) the store may delete it; readers check the time
    themselves.
    """

    shelf: Shelf
    id: str
    value: Mapping[str, Any] | None
    before: Mapping[str, Any] | None = None
    blind: bool = False
    until: float | None = None


REVISION_SECONDS = 7 * 86_400
"""Seconds for which the time of a commit is kept."""


def dated(revision: int, now: float) -> Put:
    """The record of a commit's time (epoch seconds)."""
    return Put(Shelf.REVISIONS, str(revision), {"at": now}, blind=True, until=now + REVISION_SECONDS)


class Store(Protocol):
    """Raises only `StoreUnavailable`, `Corrupt`, `Conflict` or `NotFound` from `burgee.errors`."""

    tenant: Tenant

    def at(self, tenant: Tenant) -> Self:
        """The same data for another tenant; closing either closes both."""

    def pointer(self) -> Pointer:
        """The current pointer; cheap, possibly stale. `Pointer()` before the first commit."""

    def state(self) -> State:
        """Pointer, overrides and retired names at one moment, strongly consistent."""

    def stage(self, payload: bytes, origin: Origin, *, flags: int, at: str) -> Release:
        """Write a release without serving it, and read it back; its version is one above the highest ever staged. It
        is invisible until a commit activates the version.
        """

    def release(self, version: int) -> Release:
        """The record of one release; `NotFound` if it was never fully staged."""

    def payload(self, version: int) -> bytes:
        """A release's bytes, verified against its digest (`Corrupt` if they differ)."""

    def load(self, version: int) -> tuple[Release, bytes]:
        """A release's record and bytes, as `release` and `payload` return them, at the cost of one of them."""

    def releases(self, *, limit: int = 20, before: int | None = None) -> Sequence[Release]:
        """Newest first, versions below `before`."""

    def commit(self, change: Change, *, expected: int) -> Pointer:
        """Apply `change`, of any size, if the pointer's revision is still `expected` and the record under each put
        still equals its `before`; else raise `Conflict` and write nothing. Activating a version that is not fully
        staged raises `NotFound`.
        """

    def audit(self, *, limit: int = 50, before: str | None = None, flag: str | None = None) -> Sequence[AuditEntry]:
        """Newest first, ids below `before`."""

    def audit_after(self, after: str, *, limit: int = 200) -> Sequence[AuditEntry]:
        """Oldest first, ids above `after`. While a commit is in progress, a part of its entries may be missing."""

    def find(self, shelf: Shelf, key: str) -> Mapping[str, Any] | None:
        """One record; possibly stale."""

    def shelf(self, shelf: Shelf, prefix: str = "") -> Mapping[str, Mapping[str, Any]]:
        """All records of a shelf whose ids begin with a prefix, ordered by id."""

    def keep(self, puts: Sequence[Put], audit: Sequence[AuditEntry] = ()) -> None:
        """Write records with their audit entries, all or none; Conflict if one of them has changed."""

    def collect(self, *, keep: int = 20) -> int:
        """Delete releases beyond the newest `keep`, never the current one nor its base; returns how many."""

    def close(self) -> None:
        """Close connections; the store must not be used afterwards."""
