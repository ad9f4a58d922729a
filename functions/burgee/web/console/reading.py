"""What the console shows of an environment: what Git says, what is live, and what is laid over."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from burgee.diff.affected import needs
from burgee.diff.shares import RegionShares, served_shares
from burgee.diff.symbolic import Side
from burgee.diff.world import World
from burgee.evaluation.definition import off_variant, state_at, variants
from burgee.evaluation.snapshots import EMPTY, definition_digest, load_snapshot
from burgee.releases.overrides import laid_over
from burgee.stores import State
from burgee.web.console.words import percent

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from burgee.model import Definition, Override, Snapshot
    from burgee.stores import Store

_COLOURS = 5
_HELD = 8
"""Maximum number of snapshots in memory."""
MAX_COMPARED = 200
"""Flags that need one that differs, whose shares are compared with Git's."""
_KEPT: dict[str, Snapshot] = {}


class Segment(NamedTuple):
    """A part of a share bar, in percent; `colour` is the number of its class."""

    colour: int
    start: float
    width: float


class Environment:
    """One environment at one moment."""

    is_file = False
    """Whether it is what a flag file says, of an environment that is not served here."""

    def __init__(self, store: Store, now: float | None = None) -> None:
        self.store = store
        self.name = store.tenant.environment
        self.now = time.time() if now is None else now
        self.state: State = store.state()
        pointer = self.state.pointer
        self.git: Snapshot = kept(store, pointer.version, pointer.digest)
        self._world = World()

    @cached_property
    def live(self) -> Snapshot:
        """What is served."""
        return laid_over(self.git, self.state.overrides.values(), self.now)

    @cached_property
    def sides(self) -> tuple[Side, Side]:
        """What Git says, and what is served, for a comparison."""
        return Side(self.git, self.now), Side(self.live, self.now)

    def override(self, flag: str) -> Override | None:
        """The override in force on a flag."""
        found = self.state.overrides.get(flag)
        return found if found is not None and found.in_force(self.now) else None

    def differs(self, flag: str) -> bool:
        """Whether a flag's definition is not Git's."""
        override = self.override(flag)
        git = self.git["flags"].get(flag)
        return override is not None and definition_digest(override.definition) != definition_digest(git)

    @cached_property
    def _changed(self) -> frozenset[str]:
        return frozenset(name for name in self.state.overrides if self.differs(name))

    def is_moved(self, flag: str) -> bool:
        """Whether a flag that it needs, directly or not, differs: then its answers may, with Git's definition."""
        waiting, seen = [flag] if self._changed else [], {flag}
        while waiting:
            for kind, name in needs(self.definition(waiting.pop()) or {}):
                if kind == "flag" and name in self._changed:
                    return True
                if kind == "flag" and name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return False

    @cached_property
    def differing(self) -> frozenset[str]:
        """The flags that are not as Git says: by their definition, or since a flag that they need is not."""
        own = self._changed
        moved = [name for name in self.names() if own and name not in own and self.is_moved(name)]
        # Those whose shares are not compared may differ, so they are among them.
        apart = (name for name in moved[:MAX_COMPARED] if self.regions(name) != self.regions(name, of_git=True))
        return frozenset({*own, *apart, *moved[MAX_COMPARED:]})

    def names(self) -> list[str]:
        """Every flag that Git or an override has, by name."""
        return sorted({*self.git["flags"], *self.live["flags"]})

    def definition(self, flag: str) -> Definition | None:
        """The served definition, else Git's."""
        found: Definition | None = self.live["flags"].get(flag) or self.git["flags"].get(flag)
        return found

    def regions(self, flag: str, *, of_git: bool = False) -> list[RegionShares] | None:
        """The shares of what is live, or of what Git says; None if they cannot be computed."""
        git, live = self.sides
        return served_shares(flag, git if of_git else live, self._world)


class FileEnvironment(Environment):
    """What a flag file says for an environment that is not served here."""

    is_file = True

    def __init__(self, name: str, snapshot: Snapshot, now: float) -> None:  # its parent reads a store
        self.name, self.now, self.git = name, now, snapshot
        self.state = State()
        self._world = World()


def kept(store: Store, version: int, digest: str) -> Snapshot:
    """A release's snapshot. It is named by its digest and never changes, so a process reads it once."""
    if not version:
        return EMPTY
    found = _KEPT.get(digest)
    if found is None:
        while len(_KEPT) >= _HELD:
            _KEPT.pop(next(iter(_KEPT)), None)
        found = _KEPT[digest] = load_snapshot(store.payload(version))
    return found


def colours(definition: Definition | None, now: float) -> dict[str | None, int]:
    """The colour of each variant: 0 for the off variant or the first, 1 for `on`, others by their order."""
    if definition is None:
        return {}
    state = state_at(definition, now)
    names = list(variants(state))
    grey = off_variant(state)
    if grey is None and "on" not in names:
        grey = names[0]
    found: dict[str | None, int] = {None: 0, grey: 0}
    number = 2
    for name in names:
        if name == grey:
            continue
        if name == "on":
            found[name] = 1
        else:
            found[name] = 2 + (number - 2) % (_COLOURS - 2)
            number += 1
    return found


def segments(
    shares: Mapping[str | None, Fraction], coloured: Mapping[str | None, int], off: str | None
) -> list[Segment]:
    """A bar of shares, the off variant first; a boolean flag's off is the track itself."""
    order = sorted(shares, key=lambda variant: (coloured.get(variant, 0), str(variant)))
    drawn, start = [], 0.0
    is_boolean = off == "off" and set(coloured) <= {None, "on", "off"}
    for variant in order:
        width = float(shares[variant] * 100)
        if is_boolean and variant in {None, "off"}:
            continue
        drawn.append(Segment(coloured.get(variant, 0), round(start, 3), round(width, 3)))
        start += width
    return drawn


def in_words(shares: Mapping[str | None, Fraction], state: Definition, *, briefly: bool = True) -> str:
    """Shares in a few words: on for all, 25 % on, 17.5 % green."""
    if not state.get("status", False):
        return "off" if off_variant(state) == "off" else f"off: {off_variant(state) or 'no value'}"
    off = off_variant(state)
    if len(shares) == 1:
        (only,) = shares
        return "off for all" if only == off == "off" else f"{only or 'no value'} for all"
    named = [(variant, share) for variant, share in shares.items() if variant != off]
    if len(named) > 1:
        named = sorted(shares.items(), key=lambda one: -one[1])
    words = [f"{percent(share, briefly=briefly)} {variant or 'no value'}" for variant, share in named[:3]]
    return ", ".join(words) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
