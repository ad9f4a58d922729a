"""AWS Lambda: a round of every guard, on a schedule, and at once when an alarm of a guard goes off.

Both do the same: a round that finds nothing new changes nothing, and of two rounds at once one reads again. What
cannot be measured holds, is counted as a failure (an alarm watches the count), and is tried again by the next round.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from burgee.errors import Conflict, Refused
from burgee.events.athena import RETRIES, Athena
from burgee.events.guard_looks import Closed, Look, looked
from burgee.guards.alarms import firing
from burgee.guards.driver import asks
from burgee.handlers import wiring
from burgee.handlers.alarm_events import went_off
from burgee.releases.guarding import FAILED, FAULTS, cause, guards, run, sentence, watched_alarms
from burgee.stores import Put, Shelf
from burgee.web.telemetry import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.guards.aggregates import Aggregates
    from burgee.guards.driver import Ask
    from burgee.guards.plan import GuardPlan
    from burgee.guards.state import GuardState
    from burgee.releases.guarding import GuardRound, Measure
    from burgee.stores import Store

DATABASE = os.environ.get("BURGEE_EVENT_DATABASE", "")
WORKGROUP = os.environ.get("BURGEE_WORKGROUP", "")
MARGIN_SECONDS = 20.0
"""Before the function is stopped: for what comes after the last query."""
PART_SECONDS = 60.0
"""For each guard, as long as there is time at all: most looks take less."""
DAYS_KEPT = 30 * 86_400
"""Seconds for which the aggregates of closed days are kept."""
_config = Config(connect_timeout=2, read_timeout=10, retries=RETRIES)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One round. Raises if the table does not answer, or if a guard failed, so that Lambda calls again."""
    store, rang = wiring.table(), went_off(event)
    rounds: list[GuardRound] = []
    failures: list[str] = []
    try:
        running = [guard for guard in guards(store, time.time()) if guard.is_running]
        names = watched_alarms(running)
        if running and (rang is None or rang.keys() & {*names}):
            looks: Measure = _nothing if rang is not None else _unrecorded
            if DATABASE and rang is None:
                looks = _Looks(store, context, len(running))
            rounds = run(store, time.time, looks, _alarms(names, failures), rang)
    finally:
        store.close()
    for one in rounds:
        reasons = [reason.code for reason in one.decision.reasons]
        print(json.dumps({"guard": one.flag, "action": one.decision.action, "reasons": reasons}))
    failures += [
        f"{one.flag}: {reason.message}" for one in rounds for reason in one.decision.reasons if reason.code in FAULTS
    ]
    for failure in failures:
        print(json.dumps({"level": "ERROR", "message": "guard", "error": failure}))
    print(json.dumps(_counted(failures, time.time())))
    if any(reason.code == FAILED for one in rounds for reason in one.decision.reasons):
        raise Refused("guard-failed", "; ".join(failures))
    return {"rounds": {one.flag: sentence(one.decision) for one in rounds}, "failures": failures}


class _Looks:
    """Measures guards in Athena, each once in a round, as long as the function may run."""

    def __init__(self, store: Store, context: Any, running: int) -> None:
        self._store, self._context = store, context
        self._waiting, self._stop = running, 0.0
        self._found: dict[tuple[str, int, int], Aggregates | Exception | None] = {}
        self._athena = Athena(boto3.client("athena", config=_config), WORKGROUP, DATABASE, self._sleep)

    def __call__(self, plan: GuardPlan, state: GuardState) -> Aggregates | None:
        ask = asks(plan, state)
        if ask is None:
            return None
        key = plan.flag, ask.step, ask.since
        if key not in self._found:
            # The guards that are left have equal parts of the time, so that a slow one takes none of the others';
            # but where these would be too short for all, as many as possible have enough.
            left = self._left()
            part = max(left / max(self._waiting, 1), min(PART_SECONDS, left))
            self._stop, self._waiting = left - part, self._waiting - 1
            try:
                self._found[key] = self._look(plan, ask)
            except Exception as error:  # noqa: BLE001 - raised again for each time that it is asked
                self._found[key] = error
        found = self._found[key]
        if isinstance(found, Exception):
            raise found
        return found

    def _look(self, plan: GuardPlan, ask: Ask) -> Aggregates | None:
        record = self._store.find(Shelf.GUARD_DAYS, plan.flag)
        known = None if record is None else Closed.of_record(record)
        look = Look(plan, ask, wiring.TENANT.project, wiring.TENANT.environment)

        def keep(closed: Closed) -> None:
            put = Put(Shelf.GUARD_DAYS, plan.flag, closed.as_record(), record, until=time.time() + DAYS_KEPT)
            with suppress(Conflict):  # another round has closed the same day
                self._store.keep([put])

        return looked(look, known, self._run, keep)

    def _run(self, statements: Any) -> Any:
        self._sleep(0)
        return [found.mappings() for found in self._athena.ask_all(statements)]

    def _sleep(self, seconds: float) -> None:
        if self._left() - seconds <= self._stop:
            raise Refused("look-timeout", "Athena did not answer within this guard's part of the function's time")
        time.sleep(seconds)

    def _left(self) -> float:
        """Seconds for queries."""
        return float(self._context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS)


def _nothing(_plan: GuardPlan, _state: GuardState) -> None:
    """Measures nothing: an alarm is in a hurry."""


def _unrecorded(plan: GuardPlan, state: GuardState) -> None:
    """Measures nothing: there are no records."""
    if asks(plan, state) is not None:
        raise Refused("no-records", "the stack stores no records: deploy it with Recording=true")


def _alarms(names: list[str], failures: list[str]) -> Mapping[str, bool]:
    """The states of alarms; unknown, which holds, if CloudWatch does not answer."""
    if not names:
        return {}
    try:
        return firing(names, boto3.client("cloudwatch", config=_config))
    except Exception as error:  # noqa: BLE001 - whatever it is, alarms alone are unknown
        failures.append(cause(error))
        return {}


def _counted(failures: list[str], now: float) -> dict[str, Any]:
    """The number of failures as CloudWatch's embedded metric, also when there are none, so that an alarm ends."""
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    metrics = [{"Name": "Failures", "Unit": "Count"}]
    directive = {"Namespace": NAMESPACE, "Dimensions": [["Function"]], "Metrics": metrics}
    head = {"Timestamp": int(now * 1000), "CloudWatchMetrics": [directive]}
    return {"_aws": head, "Function": name, "Failures": len(failures)}
