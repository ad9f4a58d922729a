"""Queues exposures and events and writes them on a thread, so that recording never delays or fails an answer."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from contextlib import suppress
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from burgee.evaluation.context import reader, unit_reader
from burgee.evaluation.definition import unit_attribute
from burgee.events.records import RecordScope, Unacceptable, accept, exposure
from burgee.model import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.events.records import Record
    from burgee.events.sinks import RecordSink
    from burgee.model import Context, Evaluation

_LOG = logging.getLogger("burgee")
CAPACITY = 20_000
BATCH = 500
PATIENCE = 5.0


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

    def answered(
        self, ruleset: Ruleset | ClientView, flag: str, answer: Evaluation, context: Context, *, asked: bool
    ) -> None:
        """Records an answer if the caller asks for it, or if the flag has an experiment and a split decided."""
        logged = ruleset.exposed.get(flag)
        arm = answer.reason is Reason.SPLIT and "rule" in answer.metadata
        if answer.variant is None or not (asked or (logged is not None and arm)):
            return
        unit = unit_reader(unit_attribute(ruleset.definition(flag) or {}))(context)
        if unit is None:
            return
        answered = {
            "variant": answer.variant,
            "reason": str(answer.reason),
            "rule": answer.metadata.get("rule"),
            "release": str(ruleset.release.get("version", "")),
            "properties": _scalars(context, logged or ()),
        }
        try:
            self.put(exposure(flag, answered, unit, self.scope, time.time()))
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
                self.dropped += len(batch) if problem else 0
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
