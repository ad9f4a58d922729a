"""Queues exposures and events and writes them on a thread, so that recording never delays or fails an answer."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from contextlib import suppress
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from burgee.evaluation.bucketing import holdout_salt
from burgee.evaluation.context import reader, unit_reader
from burgee.evaluation.definition import DEFAULT_RULE, answering_units, unit_attributes
from burgee.evaluation.snapshots import GUARD
from burgee.events.records import HELD_OUT, RELEASED, RecordScope, Unacceptable, accept, exposure
from burgee.model import Reason

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.events.records import Record
    from burgee.events.sinks import RecordSink
    from burgee.model import Context, Evaluation

_LOG = logging.getLogger("burgee")
CAPACITY = 20_000
BATCH = 500
PATIENCE = 5.0
DAY = 86_400
REMEMBERED = 50_000
"""Units whose exposure to a holdout or a guard is not repeated on one day."""


class Recorder:
    """Writes exposures and events to a sink in the background.

    `dropped` counts lost records: the sink was slower than the answers, or refused them twice.
    """

    def __init__(self, sink: RecordSink, scope: RecordScope | None = None, *, capacity: int = CAPACITY) -> None:
        self.sink = sink
        self.scope = scope or RecordScope()
        self.dropped = 0
        self._reported = 0
        self._waiting: deque[Record] = deque()
        self._capacity = capacity
        self._state = Condition()
        self._busy = False
        self._thread: Thread | None = None
        self._noted: set[tuple[int, str, str]] = set()

    def answered(
        self, ruleset: Ruleset | ClientView, flag: str, answer: Evaluation, context: Context, *, asked: bool
    ) -> None:
        """Records an answer if the caller asks for it, or if the flag has an experiment and a split decided."""
        if flag in ruleset.held:
            self._held(ruleset, flag, context)
        if flag in ruleset.guarded:
            self._guarded(ruleset, flag, context)
        logged = ruleset.exposed.get(flag)
        arm = answer.reason is Reason.SPLIT and "rule" in answer.metadata
        if answer.variant is None or not (asked or (logged is not None and arm)):
            return
        rule = answer.metadata.get("rule")
        unit = unit_reader(*answering_units(ruleset.definition(flag) or {}, rule))(context)
        if unit is None:
            return
        answered = {"variant": answer.variant, "reason": answer.reason, "rule": rule}
        self._exposed(ruleset, flag, answered, unit, _scalars(context, logged or ()))

    def fetched(self, ruleset: Ruleset | ClientView, flags: Container[str], context: Context) -> None:
        """Records exposures to the holdouts and guards of flags that were asked for together."""
        for flag in ruleset.guarded:
            if flag in flags:
                self._guarded(ruleset, flag, context)
        first = {holdout: flag for flag, holdout in ruleset.held.items() if flag in flags}
        for flag in first.values():
            self._held(ruleset, flag, context)

    def _held(self, ruleset: Ruleset | ClientView, flag: str, context: Context) -> None:
        """Records, once a day, that a unit is exposed to the holdout of a flag, on either side of it.

        The side depends only on the unit's hash, so asking is enough, whatever the flag answers.
        """
        holdout, definition = ruleset.held[flag], ruleset.definition(flag)
        unit = None if definition is None else unit_reader(*unit_attributes(definition))(context)
        if unit is None:
            return
        if self._is_known(holdout, unit):
            return
        self._know(holdout, unit)
        name = holdout_salt(holdout)
        side = HELD_OUT if ruleset.holds_out(holdout, unit) else RELEASED
        answered = {"variant": side, "reason": Reason.SPLIT, "rule": DEFAULT_RULE}
        self._exposed(ruleset, name, answered, unit, _scalars(context, ruleset.exposed[name]))

    def _guarded(self, ruleset: Ruleset | ClientView, flag: str, context: Context) -> None:
        """Records, once a day and step, that a unit that a guard could serve is in one of its two groups."""
        from burgee.events.guard_groups import guard_groups  # few flags have a guard

        groups = guard_groups(ruleset, flag)
        unit = None if groups is None else groups.unit(context)
        if groups is None or unit is None:
            return
        place = groups.place(unit)
        group = groups.group(place)
        if group is None or self._is_known(groups.name, unit) or not groups.can_be_served(context, time.time()):
            return
        self._know(groups.name, unit)
        answered = {"variant": group, "reason": Reason.SPLIT, "rule": groups.rule}
        self._exposed(ruleset, GUARD + flag, answered, unit, {"place": place, "share": groups.share})

    def _is_known(self, name: str, unit: str) -> bool:
        """Whether a unit's exposure to a holdout or a guard was recorded today, as far as that is remembered."""
        return (int(time.time()) // DAY, name, unit) in self._noted

    def _know(self, name: str, unit: str) -> None:
        if len(self._noted) >= REMEMBERED:
            self._noted.clear()
        self._noted.add((int(time.time()) // DAY, name, unit))

    def _exposed(
        self,
        ruleset: Ruleset | ClientView,
        name: str,
        answered: Mapping[str, Any],
        unit: str,
        properties: Mapping[str, Any],
    ) -> None:
        release = str(ruleset.release.get("version", ""))
        whole = {**answered, "reason": str(answered["reason"]), "release": release, "properties": properties}
        try:
            self.put(exposure(name, whole, unit, self.scope, time.time()))
        except Unacceptable:
            self.dropped += 1

    def tracked(self, event: str, unit: str, at: float, properties: Mapping[str, Any]) -> None:
        """Records an event of a unit at epoch seconds; keeps the properties that are strings, numbers or booleans."""
        raw = {"type": "track", "event_id": os.urandom(12).hex(), "time": at, "unit": unit, "event": event}
        try:
            self.put(accept({**raw, "properties": _plain(properties)}, self.scope, at))
        except Unacceptable as error:
            self.dropped += 1
            _LOG.warning("an event was lost: %s", error)

    def put(self, record: Record) -> None:
        """Queues a record; never blocks."""
        with self._state:
            if len(self._waiting) >= self._capacity:
                self.dropped += 1
                self._noted.clear()
                return
            self._waiting.append(record)
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="burgee-exposures", daemon=True)
                # If no thread can be started now, the next record tries again.
                with suppress(RuntimeError):
                    self._thread.start()
            self._state.notify_all()

    def drain(self, seconds: float) -> bool:
        """Waits until all is written, up to a limit: for platforms that freeze the process between requests."""
        with self._state:
            return self._state.wait_for(lambda: not self._waiting and not self._busy, seconds)

    def _run(self) -> None:
        while True:
            with self._state:
                if not self._state.wait_for(lambda: self._waiting, PATIENCE):
                    self._thread = None
                    return
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                self._busy = True
            problem = self._write(batch)
            with self._state:
                self._busy = False
                if problem:
                    self.dropped += len(batch)
                    self._noted.clear()
                self._state.notify_all()
            if self.dropped != self._reported:
                self._reported = self.dropped
                _LOG.warning("records were lost, %d so far", self.dropped, exc_info=problem)

    def _write(self, batch: list[Record]) -> Exception | None:
        """Writes a batch; returns why it was lost, or None."""
        problem: Exception | None = None
        for pause in (0.2, 0.0):
            try:
                self.sink.write(batch)
            except Exception as error:  # noqa: BLE001 - whatever fails, answers continue and the next batch is tried
                problem = error
                time.sleep(pause)
            else:
                return None
        return problem


def _scalars(context: Context, names: Any) -> dict[str, Any]:
    """Only the attributes that a breakdown needs: a record holds nothing that was not asked for."""
    return _plain({name: reader(name)(context) for name in names})


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if isinstance(value, (str, int, float, bool))}
