"""What a wanted snapshot would change in a state: pure, so that a review and the deploy compute the same."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import definition_digest, payload
from burgee.guards.plan import carried
from burgee.guards.transitions import GUARD
from burgee.releases.merging import has_caught_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.model import Definition, Override, Snapshot
    from burgee.stores import Canary, State


class OverrideVerdict(StrEnum):
    """The fate of an override at a deploy."""

    ABSORBED = "absorbed"
    """Git now agrees, at least in each key that the override changed: the override is removed."""
    KEPT = "kept"
    """Git has not changed since the override was set: the override stays."""
    CONFLICT = "conflict"
    """Git changed to something else: the deploy asks what to do."""
    EXPIRED = "expired"
    """It has expired: it is removed."""
    CARRIED = "carried"
    """A guard's: Git has changed the flag, but not the share, which is carried over to the new definition."""


@dataclass(frozen=True, slots=True)
class PlannedOverride:
    """An override and its verdict; `git` is the definition now in Git.

    `by_keys`: it is absorbed because Git has the keys that it changed, not because the definitions are equal.
    `carried` is the guard's share over Git's definition.
    """

    override: Override
    verdict: OverrideVerdict
    git: Definition | None
    by_keys: bool = False
    carried: Definition | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A flag that changes in Git: by key, the values before and after (None for absent)."""

    flag: str
    keys: Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class Plan:
    """The difference between the live and the wanted snapshot, flags in file order.

    `digest` identifies exactly this difference: it changes when the file, the live release or an override changes.
    """

    revision: int
    version: int
    unchanged: bool
    added: Sequence[str]
    changed: Sequence[Changed]
    removed: Sequence[str]
    shared: Sequence[str]
    reused: Sequence[str]
    standings: Sequence[PlannedOverride]
    broken: Mapping[str, str]
    digest: str
    canary: Canary | None = None

    def having(self, verdict: OverrideVerdict) -> list[PlannedOverride]:
        """The overrides with this verdict."""
        return [standing for standing in self.standings if standing.verdict is verdict]


def plan(state: State, current: Snapshot, wanted: Snapshot, now: float, *, rollback: bool = False) -> Plan:
    """Compares the live state with a wanted snapshot; `now` (epoch seconds) says which overrides have expired.

    With `rollback` the snapshot is an earlier release, so an override that equals it is not absorbed.
    """
    before, after = current["flags"], wanted["flags"]
    canary = state.pointer.canary_at(now)
    # An override that a canary absorbed stays for the users of its base; after the canary it has no effect.
    settled = {} if canary or rollback else state.settled
    standings = [
        _standing(override, before.get(name), after.get(name), settled.get(name), now, rollback=rollback)
        for name, override in state.overrides.items()
    ]
    stay = [s.override for s in standings if s.verdict in {OverrideVerdict.KEPT, OverrideVerdict.CONFLICT}]
    stay += [rebased(s) for s in standings if s.verdict is OverrideVerdict.CARRIED]
    wanted_bytes = payload(wanted)
    laid = [(o.flag, definition_digest(o.definition), o.base_digest, o.expires_at) for o in state.overrides.values()]
    seal = json.dumps([state.pointer.digest, sha256(wanted_bytes).hexdigest(), sorted(laid, key=lambda one: one[0])])
    return Plan(
        revision=state.pointer.revision,
        version=state.pointer.version,
        unchanged=state.pointer.version > 0 and payload(current) == wanted_bytes,
        added=[name for name in after if name not in before],
        changed=[
            Changed(name, _keys(before[name], after[name]))
            for name in after
            if name in before and definition_digest(before[name]) != definition_digest(after[name])
        ],
        removed=[name for name in before if name not in after],
        shared=_shared(current, wanted),
        reused=[name for name in after if name in state.retired],
        standings=standings,
        broken=Ruleset(wanted, stay).check(),
        digest=sha256(seal.encode()).hexdigest(),
        canary=canary,
    )


def rebased(standing: PlannedOverride) -> Override:
    """The override as kept over Git's current definition, so that the same conflict is not raised again."""
    definition = standing.override.definition if standing.carried is None else standing.carried
    return replace(standing.override, definition=definition, base_digest=definition_digest(standing.git))


def settled_digest(definition: Definition | None) -> str:
    """The digest of an override's definition for `State.settled`, also of an absent flag."""
    return str(definition_digest(definition))


def _standing(  # noqa: PLR0913 - an override, what it is compared with, and when
    override: Override,
    live: Definition | None,
    git: Definition | None,
    settled: str | None,
    now: float,
    *,
    rollback: bool,
) -> PlannedOverride:
    if not override.in_force(now):
        return PlannedOverride(override, OverrideVerdict.EXPIRED, git)
    digest = definition_digest(git)
    said = definition_digest(override.definition)
    if said == digest:
        return PlannedOverride(override, OverrideVerdict.KEPT if rollback else OverrideVerdict.ABSORBED, git)
    if settled == settled_digest(override.definition):
        return PlannedOverride(override, OverrideVerdict.ABSORBED, git)
    if digest == override.base_digest:
        return PlannedOverride(override, OverrideVerdict.KEPT, git)
    if override.author == GUARD and override.definition is not None:
        return _of_guard(override, override.definition, live, git)
    written = not rollback and _written(override, live, git)
    return PlannedOverride(
        override, OverrideVerdict.ABSORBED if written else OverrideVerdict.CONFLICT, git, by_keys=written
    )


def _of_guard(
    override: Override, said: Definition, live: Definition | None, git: Definition | None
) -> PlannedOverride:
    """The fate of a guard's override where Git has changed the flag, which ends the guard at the share it reached."""
    base = live if definition_digest(live) == override.base_digest else None
    try:
        found = None if git is None else carried(said, base, git)
    except ValueError:
        return PlannedOverride(override, OverrideVerdict.CONFLICT, git)
    if found is None or definition_digest(found) == definition_digest(git):
        return PlannedOverride(override, OverrideVerdict.ABSORBED, git)
    return PlannedOverride(override, OverrideVerdict.CARRIED, git, carried=found)


def _written(override: Override, live: Definition | None, git: Definition | None) -> bool:
    """Whether Git has the keys that the override changed, as after `burgee pull`, whatever else changed.

    The override's base is known if that is still live.
    """
    if override.definition is None or git is None or definition_digest(live) != override.base_digest:
        return False
    return has_caught_up(live or {}, override.definition, git)


def _keys(before: Definition, after: Definition) -> dict[str, tuple[Any, Any]]:
    """Keys that differ; if only their order differs, both definitions in full, so that no change is hidden."""
    every = list(dict.fromkeys([*before, *after]))
    return {
        key: (before.get(key), after.get(key))
        for key in every
        if json.dumps(before.get(key)) != json.dumps(after.get(key))
    }


def _shared(current: Snapshot, wanted: Snapshot) -> list[str]:
    """Segments, holdouts and metrics that differ, such as `segment eu`: each may change many flags or guards."""
    names_of_shared: list[str] = []
    for section, word in (("segments", "segment"), ("holdouts", "holdout"), ("metrics", "metric")):
        before, after = current.get(section, {}), wanted.get(section, {})
        names = list(dict.fromkeys([*before, *after]))
        names_of_shared += [f"{word} {n}" for n in names if json.dumps(before.get(n)) != json.dumps(after.get(n))]
    return names_of_shared
