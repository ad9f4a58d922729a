"""When the answers of a ruleset change by the clock alone, so that those who hold answers can ask again."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from burgee.evaluation.definition import owners, states
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.evaluation.ruleset import Ruleset
    from burgee.model import Definition

RAMP_STEPS = 20
RAMP_SECONDS = 60.0
"""A ramp changes at most so many times here, and at most once in so many seconds."""
MAX_MOMENTS = 10_000
_known: WeakKeyDictionary[Ruleset, list[float]] = WeakKeyDictionary()


def moments(ruleset: Ruleset) -> list[float]:
    """The steps of schedules, and steps within each ramp, in epoch seconds; computed once for a ruleset.

    A ramp moves all the time, and each user once, who is served the change after the next step. The ends of overrides
    are `Ruleset.expiries`.
    """
    known = _known.get(ruleset)
    if known is None:
        laid = [override.definition for override in ruleset.overrides.values() if override.definition is not None]
        found: set[float] = set()
        for definition in (*ruleset.snapshot["flags"].values(), *laid):
            try:
                found.update(_changes(definition))
            except (KeyError, TypeError, ValueError):  # a broken flag answers an error at all times
                continue
        known = _known[ruleset] = sorted(found)[-MAX_MOMENTS:]
    return known


def _changes(definition: Definition) -> Iterator[float]:
    for since, state in states(definition):
        if since > float("-inf"):
            yield since
        for owner in owners(state):
            ramp = owner.settings.get("rollout_percentage")
            if isinstance(ramp, dict):
                start, end = parse_time(ramp["start"]), parse_time(ramp["end"])
                steps = int(max(min(RAMP_STEPS, (end - start) / RAMP_SECONDS), 1))
                yield from (start + (end - start) * step / steps for step in range(steps + 1))
