"""Counts answers in the process, by flag and answer, and writes one record a minute: no unit, no attribute.

A ruleset gives the same few prepared answers again and again. Each asker's use of one has an iterator, kept with the
cached reply and advanced whenever the answer is given: that is atomic, so nothing is lost between threads, and costs
less than a lock or a look-up.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from itertools import repeat
from operator import length_hint
from threading import Condition, Lock, Thread
from typing import TYPE_CHECKING, Protocol
from weakref import WeakSet, ref

from burgee.events.records import FLAG_NAME, RecordScope
from burgee.events.usage_records import MAX_UNKNOWN, Cell, Window, usage_records
from burgee.model import ErrorCode, Evaluation, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.events.recorder import Recorder
    from burgee.events.records import Record
    from burgee.events.sinks import RecordSink

    class Home(Protocol):
        """The project and environment of a caller."""

        @property
        def project(self) -> str: ...
        @property
        def environment(self) -> str: ...

    class Asker(Protocol):
        """Who asks: the id and name of its API key, if it has one."""

        @property
        def key(self) -> str | None: ...
        @property
        def name(self) -> str | None: ...
        @property
        def client(self) -> bool: ...
        @property
        def tenant(self) -> Home: ...

    class Countable(Protocol):
        """What is made once for an answer of a flag to an asker."""

        answer: Evaluation
        named: repeat[bool]
        bulk: repeat[bool]


_LOG = logging.getLogger("burgee")
PERIOD = 60.0
"""Seconds between the records of a process."""
FIRST = 5.0
"""Seconds until its first record, so that what is new is seen soon."""
MAX_CELLS = 50_000
"""Maximum number of combinations of answer and caller that are counted separately; others are counted as lost."""
MAX_WAITING = 60
"""Records that wait while they cannot be written, an hour of them; then the oldest is lost. If so many answers differ
that a minute takes more records, that minute's wait.
"""
_CLOSE_SECONDS = 5.0


class Counted:
    """One answer of one flag to one asker: `next` of `named` or `bulk` counts it, by how it was asked for."""

    __slots__ = ("__weakref__", "answer", "bulk", "named")
    named: repeat[bool]
    bulk: repeat[bool]

    def __init__(self, answer: Evaluation) -> None:
        self.answer = answer
        """Kept, so that no later answer has its identity."""


class _Steps:
    """Counts how often an iterator is advanced: it repeats one value, and knows how many times are left."""

    __slots__ = ("_left", "iterator")

    def __init__(self) -> None:
        self._left = sys.maxsize
        self.iterator = repeat(True, self._left)

    def taken(self) -> int:
        """How often it was advanced since the last time."""
        before, self._left = self._left, length_hint(self.iterator)
        return before - self._left


class _Entry:
    """What is counted of one answer, as long as anyone can count it."""

    __slots__ = ("_bulk", "_named", "alive", "cell", "home")

    def __init__(self, counted: Countable, cell: Cell, home: tuple[str, str]) -> None:
        self.alive = ref(counted)
        self.cell = cell
        self.home = home
        self._named, self._bulk = _Steps(), _Steps()
        counted.named, counted.bulk = self._named.iterator, self._bulk.iterator

    def taken(self) -> tuple[int, int]:
        """How often it was given since the last time, by name and with all."""
        return self._named.taken(), self._bulk.taken()


class UsageCounter:
    """Counts answers; safe between threads, and starts again in a forked process.

    With `threaded`, a thread writes the records, and what is left is written when the process exits. Otherwise the
    caller calls `flush_if_due`, on platforms that freeze a process between requests; the first record is then due at
    once. A process that is killed loses what it counted since its last record: at most `PERIOD` seconds.
    """

    def __init__(
        self,
        sink: RecordSink,
        scope: RecordScope | None = None,
        *,
        threaded: bool = True,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.sink = sink
        self.scope = scope or RecordScope()
        self.threaded = threaded
        self._clock = clock
        self._wall = wall
        self._begin()
        _COUNTERS.add(self)

    def _begin(self, entries: Sequence[_Entry] = ()) -> None:
        """Sets up a state in which nothing is counted yet."""
        self._entries = list(entries)
        self._lock = Lock()
        self._writing = Lock()
        self._wake = Condition()
        self._closing = False
        self._thread: Thread | None = None
        self._waiting: list[Record] = []
        self._errors: Counter[tuple[tuple[str, str], Cell]] = Counter()
        self._names: set[str] = set()
        self._names_until = self._clock() + PERIOD
        self._lost = 0
        self._uncounted = _Steps()
        self._since = self._wall()
        self._due = self._clock() + (FIRST if self.threaded else 0.0)

    def begin(self, counted: Countable, ruleset: Ruleset | ClientView, flag: str, asker: Asker) -> None:
        """Sets up how an answer to an asker is counted; it is not counted by its own if there are too many."""
        answer = counted.answer
        rule, error = answer.metadata.get("rule"), answer.error_code
        said = str(answer.reason), None if rule is None else str(rule), None if error is None else str(error)
        override = ruleset.override(flag) is not None
        cell = Cell(flag, answer.variant, *said, ruleset.version, override, _key_name(asker), bulk=False)
        with self._lock:
            if self._has_room():
                self._entries.append(_Entry(counted, cell, self._home(asker)))
            else:
                counted.named = counted.bulk = self._uncounted.iterator
        self._follow()

    def error(self, ruleset: Ruleset | ClientView, flag: str, code: ErrorCode, asker: Asker) -> None:
        """Counts an error as the answer of a flag that was asked for by name, or of a name without a flag.

        Client keys are public, so the names that they invent are not counted.
        """
        unknown = code is ErrorCode.FLAG_NOT_FOUND
        if unknown and (asker.client or not FLAG_NAME.fullmatch(flag)):
            return
        release = 0 if unknown else ruleset.version
        cell = Cell(flag, None, str(Reason.ERROR), None, str(code), release, False, _key_name(asker), False)
        place = self._home(asker), cell
        with self._lock:
            if unknown and flag not in self._names:
                if len(self._names) >= MAX_UNKNOWN:
                    self._lost += 1
                    return
                self._names.add(flag)
            if place in self._errors or self._has_room():
                self._errors[place] += 1
            else:
                self._lost += 1
        self._follow()

    def _home(self, asker: Asker) -> tuple[str, str]:
        of = self.scope if asker.key is None else asker.tenant
        return of.project, of.environment

    def _has_room(self) -> bool:
        """Whether one more different answer may be counted."""
        return len(self._entries) + len(self._errors) < MAX_CELLS

    def _follow(self) -> None:
        """Starts the thread that writes, if there is none."""
        if not self.threaded:
            return
        with self._wake:
            if self._thread is None or not self._thread.is_alive():
                self._due = max(self._due, self._clock() + FIRST)
                self._thread = Thread(target=self._run, name="burgee-usage", daemon=True)
                with suppress(RuntimeError):  # no thread can be started now: the next asker tries again
                    self._thread.start()

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._wake.wait_for(lambda: self._closing, max(self._due - self._clock(), 0.0)):
                    return
            self.flush()

    def flush_if_due(self) -> None:
        """Writes what was counted if a record is due."""
        if self._clock() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Writes what was counted; what the sink does not take waits for the next time, within a limit."""
        with self._writing:
            made = self._collect()
            self._waiting += made
            if self._waiting or self.threaded:
                self._due = self._clock() + PERIOD
            while self._waiting:
                try:
                    self.sink.write(self._waiting[:1])
                except Exception as error:  # noqa: BLE001 - whatever fails, answers continue and it is tried again
                    _LOG.warning("usage was not written: %s", error)
                    self._drop(max(MAX_WAITING, len(made)))
                    return
                del self._waiting[0]

    def _drop(self, most: int) -> None:
        """Counts the oldest records beyond a number as lost."""
        dropped, self._waiting = self._waiting[:-most], self._waiting[-most:]
        with self._lock:
            self._lost += sum(map(_total, dropped))

    def close(self) -> None:
        """Writes what is left, and stops the thread: for the end of the process."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_CLOSE_SECONDS)
        self.flush()
        self._closing = False

    def _collect(self) -> list[Record]:
        """The records of all that was counted since the last time."""
        with self._lock:
            found = self._taken()
            lost, self._lost = self._lost + self._uncounted.taken(), 0
            if self._clock() >= self._names_until:
                self._names, self._names_until = set(), self._clock() + PERIOD
            if not (found or lost):
                return []
            window = Window(self._since, self._wall(), lost)
            self._since = window.until
        home = self.scope.project, self.scope.environment
        if lost:
            found.setdefault(home, Counter())
        made: list[Record] = []
        for of, counts in found.items():
            made += usage_records(counts, window if of == home else window._replace(lost=0), RecordScope(*of))
        return made

    def _taken(self) -> dict[tuple[str, str], Counter[Cell]]:
        """The counts of each project and environment since the last time; forgets what no one can count any more."""
        found: dict[tuple[str, str], Counter[Cell]] = {}
        left = []
        for entry in self._entries:
            if entry.alive() is not None:
                left.append(entry)
            for bulk, number in enumerate(entry.taken()):
                if number:
                    found.setdefault(entry.home, Counter())[entry.cell._replace(bulk=bool(bulk))] += number
        self._entries = left
        errors, self._errors = self._errors, Counter()
        for (home, cell), number in errors.items():
            found.setdefault(home, Counter())[cell] += number
        return found

    def forked(self) -> None:
        """Starts again in a forked process, whose parent writes what was counted before."""
        threaded = self._thread is not None
        for entry in self._entries:
            entry.taken()
        self._begin(self._entries)
        if threaded:
            self._follow()


class Queued:
    """A sink that queues records for a recorder, on whose thread they are written."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def write(self, records: Sequence[Record]) -> None:
        """See RecordSink; a record that the recorder loses is lost."""
        for record in records:
            self._recorder.put(record)


def _key_name(asker: Asker) -> str:
    """The name of an asker's API key. Others have the names of people or roles, which are not counted."""
    return "" if asker.key is None else asker.name or asker.key


def _total(record: Record) -> int:
    """The answers that a record stands for."""
    return int(record["lost"]) + sum(int(one["count"]) for one in record["answers"])


_COUNTERS: WeakSet[UsageCounter] = WeakSet()


def _close_all() -> None:
    for counter in list(_COUNTERS):
        if counter.threaded:
            counter.close()


def _fork_all() -> None:
    for counter in list(_COUNTERS):
        counter.forked()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_fork_all)
