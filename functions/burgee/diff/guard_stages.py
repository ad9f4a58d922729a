"""The snapshots that a guard serves one after the other: where it begins, and each of its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from burgee.guards.plan import GuardPlan, plan_of, served

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence

    from burgee.model import Snapshot


class GuardStages(NamedTuple):
    """The plan of a guard, when it begins (epoch seconds), and what it serves: at the beginning and at each step."""

    plan: GuardPlan
    at: float
    snapshots: Sequence[Snapshot]


def guard_stages(snapshot: Snapshot, names: Container[str], now: float) -> Iterator[GuardStages]:
    """The guards of these flags; each begins at its start, or now (epoch seconds) if that has passed."""
    for name, definition in snapshot["flags"].items():
        plan = plan_of(name, snapshot) if name in names else None
        if plan is not None:
            raised = [
                {**snapshot, "flags": {**snapshot["flags"], name: served(definition, share)}} for share in plan.steps
            ]
            yield GuardStages(plan, max(now, (plan.start or 0) / 1000), [snapshot, *raised])
