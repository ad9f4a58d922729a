"""One round of the guards of a store: its records, its alarms, and what it decided."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import typer

from burgee.cli.experiments import analysing, recorded, records_of
from burgee.cli.render import output
from burgee.errors import BurgeeError, Refused
from burgee.guards.driver import asks
from burgee.guards.state import reason_record
from burgee.guards.transitions import Action
from burgee.releases.guarding import FAULTS, cause, guards, run, sentence, watched_alarms

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
LOOK_SECONDS = 2.0
"""Within which a change of the file begins a round."""
ALARM_SECONDS = 30.0
"""Between two questions for the alarms that guards name: one that fires begins a round."""


def run_guards(
    store: Store, where: StoreOptions, events: str | None = None, keep: Path | None = None
) -> tuple[list[GuardRound], str]:
    """One round of every guard, and why some could not be run, if so: that stops no other."""
    place = records_of(where.flags, events)

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

    alarms, failed = alarms_of(guards(store, time.time()))
    found = run(store, time.time, measured, alarms)
    every = [one.message for made in found for one in made.decision.reasons if one.code in FAULTS]
    return found, "; ".join(dict.fromkeys([failed, *every] if failed else every))


def follow(store: Store, where: StoreOptions, stop: Event) -> None:
    """Runs a round every few minutes, and when an alarm goes off, until stopped.

    Says what it did, and once why it cannot.
    """
    said, version = "", 0
    firing: set[str] = set()
    while True:
        found: list[GuardRound] = []
        try:
            version = store.pointer().version
            running = any(one.is_running for one in guards(store, time.time()))
            found, failed = run_guards(store, where) if running else ([], "")
        except Exception as error:  # noqa: BLE001 - whatever fails in one round, the next one is run
            failed = cause(error)
        for one in found:
            if one.decision.action is not Action.HOLD:
                output.tell(output.one_line(f"{one.flag} {sentence(one.decision)}"))
        if failed and failed != said:
            output.tell(output.one_line(f"A guard cannot be run: {failed}"), typer.colors.RED)
        said = failed
        if _ended_before_the_next(store, where, (version, firing), stop):
            return


def _ended_before_the_next(store: Store, where: StoreOptions, round_: tuple[int, set[str]], stop: Event) -> bool:
    """Waits until the next round is due: after a few minutes, when an alarm goes off or, of a file, a release.

    `round_` has the release of the last round, and the alarms that fired when last asked, which this keeps.
    """
    version, known = round_
    due, ask = time.monotonic() + EVERY_SECONDS, time.monotonic() + ALARM_SECONDS
    while time.monotonic() < due:
        if stop.wait(LOOK_SECONDS if where.table is None else min(ALARM_SECONDS, EVERY_SECONDS)):
            return True
        with suppress(Exception):  # the next round says it; nothing ends the rounds
            if where.table is None and store.pointer().version != version:
                return False
            if time.monotonic() >= ask:
                ask = time.monotonic() + ALARM_SECONDS
                firing = _firing(store)
                gone_off = firing - known
                known.clear()
                known.update(firing)
                if gone_off:
                    return False
    return False


def _firing(store: Store) -> set[str]:
    """The alarms that fire, of those that a running guard names."""
    found = [guard for guard in guards(store, time.time()) if guard.is_running]
    return {name for name, fires in alarms_of(found)[0].items() if fires}


def alarms_of(found: list[Guard]) -> tuple[Mapping[str, bool], str]:
    """Whether each CloudWatch alarm of the guards is firing, and why CloudWatch does not say, if it does not.

    Alarms of which nothing is known are left out.
    """
    names = watched_alarms(found)
    if not names:
        return {}, ""
    from burgee.guards.alarms import firing

    try:
        return firing(names), ""
    except BurgeeError as error:
        return {}, str(error)


def guard_record(guard: Guard) -> dict[str, Any]:
    """A guard as JSON: its plan's steps, and its state."""
    plan, state = guard.plan, guard.state
    return {
        "flag": guard.flag,
        "steps": None if plan is None else list(plan.steps),
        "state": None if state is None else state.as_record(),
        **({"fault": guard.fault} if guard.fault else {}),
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
