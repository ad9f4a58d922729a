"""Where releases and overrides live: one small Protocol, and the records that pass through it.

A store is bound to one tenant (project and environment) and knows nothing of flags' meaning. All that
changes what is served goes through `commit`, one conditional transaction, so that a reader sees the state
before it or after it and never between.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.model import Override


@dataclass(frozen=True, slots=True)
class Tenant:
    """Whose flags these are."""

    project: str = "default"
    environment: str = "default"


@dataclass(frozen=True, slots=True)
class Pointer:
    """What is current; the one thing that evaluators poll.

    `version` is the served release (0 before the first) and `digest` that of its payload; `revision` counts
    every commit, so an unchanged revision means that nothing served has changed.
    """

    version: int = 0
    digest: str = ""
    revision: int = 0


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
    """One change: who did what to which flag, why, and what it was before and after. `id` sorts by time."""

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
    """Everything mutable, read at one moment. `retired` maps a name that Git gave up to when it did."""

    pointer: Pointer = field(default_factory=Pointer)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    retired: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What one commit does, whole or not at all: flip the pointer, lay or lift overrides, retire names."""

    activate: int | None = None
    lay: Sequence[Override] = ()
    lift: Sequence[str] = ()
    retire: Sequence[str] = ()
    reuse: Sequence[str] = ()
    audit: Sequence[AuditEntry] = ()


class Store(Protocol):
    """Raises `StoreUnavailable`, `Corrupt`, `Conflict` or `NotFound` from `burgee.errors`, nothing else."""

    tenant: Tenant

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

    def releases(self, *, limit: int = 20, before: int | None = None) -> Sequence[Release]:
        """Newest first, versions below `before`."""

    def commit(self, change: Change, *, expected: int) -> Pointer:
        """Apply `change` if the pointer's revision is still `expected`, else `Conflict` and nothing written.
        Activating a version that is not fully staged is `NotFound`."""

    def audit(self, *, limit: int = 50, before: str | None = None, flag: str | None = None) -> Sequence[AuditEntry]:
        """Newest first, ids below `before`."""

    def collect(self, *, keep: int = 20) -> int:
        """Delete releases beyond the newest `keep`, never the current one; how many went."""

    def close(self) -> None:
        """Free connections; the store is not used after."""
