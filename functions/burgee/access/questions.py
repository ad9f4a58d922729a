"""Lookups in a slow store with a bounded wait: one lookup per subject at a time, on a few threads."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import suppress
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING, Generic, TypeVar

from burgee.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

THREADS = 4
WAITING = 1_000

Subject = TypeVar("Subject", bound="Hashable")


class Queue:
    """Runs jobs on a few threads of its own, oldest first; the threads end when no job is left.

    This is not the event loop's executor: a job that hangs there would delay all others and the end of the process.
    """

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._threads = threads
        self._waiting = waiting
        self._jobs: deque[Callable[[], None]] = deque()
        self._running = 0
        self._lock = Lock()

    def put(self, job: Callable[[], None]) -> bool:
        """Queues a job and returns True; False if too many are waiting or no thread can be started for the first."""
        with self._lock:
            if len(self._jobs) >= self._waiting:
                return False
            self._jobs.append(job)
            if self._running >= self._threads:
                return True
            self._running += 1
        try:
            Thread(target=self._run, daemon=True).start()
        except RuntimeError:
            with self._lock:
                self._running -= 1
                if self._running:
                    return True
                self._jobs.clear()
            return False
        return True

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._jobs:
                    self._running -= 1
                    return
                job = self._jobs.popleft()
            job()


class Question:
    """One that is being asked, since `asked_at` by the asker's clock.

    `fault` is what was raised instead of an answer; the asker keeps the answer.
    """

    def __init__(self, asked_at: float) -> None:
        self.asked_at = asked_at
        self.fault: Exception | None = None
        self._answered = False
        self._patience_ends: float | None = None
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._lock = Lock()

    def patient(self, now: float) -> bool:
        """Whether callers still wait for it."""
        return self._patience_ends is None or now < self._patience_ends

    async def wait(self, seconds: float, now: float) -> bool:
        """Waits until so many seconds after the first has begun to, by the asker's clock; whether it is answered."""
        if not self.patient(now):
            return self._answered
        event = asyncio.Event()
        with self._lock:
            if self._answered:
                return True
            self._patience_ends = self._patience_ends or now + seconds
            self._waiting.append((asyncio.get_running_loop(), event))
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        return self._answered

    def finish(self) -> None:
        """Wakes all waiting callers."""
        with self._lock:
            self._answered = True
            waiting, self._waiting = self._waiting, []
        for loop, event in waiting:
            with suppress(RuntimeError):  # the loop has been closed in the meantime
                loop.call_soon_threadsafe(event.set)


class Questions(Generic[Subject]):
    """The lookups in progress, at most one per subject."""

    def __init__(self, queue: Queue | None = None) -> None:
        self._queue = queue or Queue()
        self._open: dict[Subject, Question] = {}
        self._lock = Lock()

    def ask(self, subject: Subject, find: Callable[[], None], now: float) -> Question | None:
        """Calls `find` in the background unless a call for this subject is in progress; None if too many are in
        progress.
        """
        with self._lock:
            question = self._open.get(subject)
            if question is not None:
                return question
            question = self._open[subject] = Question(now)
        if self._queue.put(partial(self._find, subject, question, find)):
            return question
        self._close(subject, question)
        return None

    def _find(self, subject: Subject, question: Question, find: Callable[[], None]) -> None:
        try:
            find()
        except Exception as error:  # noqa: BLE001 - it is raised again in the waiting caller
            question.fault = error
            if not isinstance(error, StoreError):
                threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
        finally:
            self._close(subject, question)

    def _close(self, subject: Subject, question: Question) -> None:
        with self._lock:
            self._open.pop(subject, None)
        question.finish()
