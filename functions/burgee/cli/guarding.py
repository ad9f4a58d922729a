"""One round of the guards of a store: its records, its alarms, and what it decided."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import typer

from burgee.cli.experiments import analysing, recorded, records_of
from burgee.cli.render import output
from burgee.errors import BurgeeError, Refused
from burgee.guards.driver import Action, asks
from burgee.guards.state import reason_record
from burgee.releases.guarding import guards, run, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from threading import Event

    from burgee.cli.stores import StoreOptions
    from burgee.guards.aggregates import Aggregates
    from burgee.guards.plan import GuardPlan
    from burgee.guards.state import GuardState
    from burgee.releases.guarding import Guard, GuardRound
    from burgee.stores import Store

EVERY_SECONDS = 300.0
"""Between two rounds of `burgee serve`."""


def run_guards(
    store: Store, where: StoreOptions, events: str | None = None, keep: Path | None = None
) -> list[GuardRound]:
    """One round of every guard. Raises Refused if records cannot be read."""
    place, now = records_of(where.flags, events), time.time()

    def measured(plan: GuardPlan, state: GuardState) -> Aggregates | None:
        ask = asks(plan, state)
        if ask is None or not recorded(place):
            return None
        with analysing():
            from burgee.analysis.guards import aggregates

            try:
                return aggregates(place, plan, ask, (store.tenant.project, store.tenant.environment), keep)
            except Refused as error:
                if error.code == "no-records":
                    return None
                raise

    return run(store, now, measured, alarms_of(guards(store, now)))


def follow(store: Store, where: StoreOptions, stop: Event) -> None:
    """Runs a round every few minutes until stopped; says what it did, and once why it cannot."""
    failed = ""
    while True:
        try:
            found = run_guards(store, where) if any(one.is_running for one in guards(store, time.time())) else []
        except BurgeeError as error:
            if str(error) != failed:
                output.tell(f"Guards are not run: {error}", typer.colors.RED)
            failed = str(error)
        else:
            failed = ""
            for one in found:
                if one.decision.action is not Action.HOLD:
                    output.tell(output.one_line(f"{one.flag} {sentence(one.decision)}"))
        if stop.wait(EVERY_SECONDS):
            return


def alarms_of(found: list[Guard]) -> Mapping[str, bool]:
    """Whether each CloudWatch alarm of the guards is firing; those of which nothing is known are not in it."""
    names = sorted({name for guard in found if guard.plan is not None for name in guard.plan.alarms})
    if not names:
        return {}
    from burgee.cli.alarms import firing

    return firing(names)


def guard_record(guard: Guard) -> dict[str, Any]:
    """A guard as JSON: its plan's steps, and its state."""
    plan, state = guard.plan, guard.state
    return {
        "flag": guard.flag,
        "steps": None if plan is None else list(plan.steps),
        "state": None if state is None else state.as_record(),
    }


def round_record(one: GuardRound) -> dict[str, Any]:
    """What a round did, as JSON."""
    decision = one.decision
    return {
        "flag": one.flag,
        "action": str(decision.action),
        "share": None if decision.state is None else decision.state.share,
        "reasons": [reason_record(reason) for reason in decision.reasons],
    }
