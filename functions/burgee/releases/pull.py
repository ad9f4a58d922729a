"""Compares live overrides with a flag file: definitions to write into it, and why others cannot be written."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from burgee.evaluation.snapshots import definition_digest, load_snapshot
from burgee.guards.plan import unguarded
from burgee.guards.transitions import GUARD
from burgee.releases.deploy import was_kept
from burgee.releases.merging import merge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from burgee.model import Definition, Override
    from burgee.stores import Store

LOOKED_THROUGH = 20
"""How many releases are searched for the definition that an override was based on."""


class Pulled(NamedTuple):
    """Definitions to write by flag (None: remove it); the reasons for those not written; overrides that expire."""

    wanted: dict[str, Definition | None]
    refused: dict[str, str]
    temporary: list[str]


def pulled(
    overrides: Iterable[Override],
    flags: Mapping[str, Definition],
    base: Callable[[str, str | None], Definition | None],
    now: float,
    *,
    temporary: bool = False,
) -> Pulled:
    """What overrides in force at `now` change in the file's `flags`; includes those that expire if `temporary`.

    If the file has changed since an override was set, the keys that the override changed are applied to the file's
    definition; `base` finds the definition it was based on, by flag and digest. Refused if that is unknown, or if
    both changed the same key.
    """
    found = Pulled({}, {}, [])
    for override in overrides:
        flag, said, git = override.flag, override.definition, flags.get(override.flag)
        if override.author == GUARD and said is not None:
            said = unguarded(said)  # written down, the share is no longer the guard's to move
        if not override.in_force(now) or definition_digest(said) == definition_digest(git):
            continue
        if override.expires_at is not None and not temporary:
            found.temporary.append(flag)
        elif definition_digest(git) == override.base_digest:
            found.wanted[flag] = said
        else:
            before = base(flag, override.base_digest)
            if before is None or said is None or git is None:
                found.refused[flag] = "the file has changed since the override was set; clear it, or set it again"
                continue
            merged, clash = merge(before, said, git)
            if clash:
                names = ", ".join(clash)
                found.refused[flag] = f"the file and the override have both changed {names}; resolve it in the file"
            elif definition_digest(merged) != definition_digest(git):
                found.wanted[flag] = merged
    return found


def released_definition(store: Store) -> Callable[[str, str | None], Definition | None]:
    """Finds what an override was set over by its digest, in the live and earlier releases.

    Nothing for one that was kept although Git had changed: it was set over something else before.
    """
    held: list[Mapping[str, Definition]] = []
    versions = [store.pointer().version, *(release.version for release in store.releases(limit=LOOKED_THROUGH))]
    left = iter(dict.fromkeys(version for version in versions if version))

    def find(flag: str, digest: str | None) -> Definition | None:
        if was_kept(store, flag):
            return None
        for flags in _read(held, left, store):
            definition = flags.get(flag)
            if definition is not None and definition_digest(definition) == digest:
                return definition
        return None

    return find


def _read(
    held: list[Mapping[str, Definition]], left: Iterable[int], store: Store
) -> Iterable[Mapping[str, Definition]]:
    yield from list(held)
    for version in left:
        held.append(load_snapshot(store.payload(version))["flags"])
        yield held[-1]
