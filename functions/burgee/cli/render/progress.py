"""Shows the progress of a comparison on a terminal after a second, and limits its time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

QUIET = 1.0
"""Seconds before anything is shown."""
PAUSE = 0.2
"""Seconds between two lines."""


class Watch:
    """The time of a comparison. `show` receives a line that replaces the last one, empty for none."""

    def __init__(
        self,
        budget: float | None = None,
        show: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._started = self._shown = clock()
        self._budget = budget
        self._show = show
        self._current = ""
        self._begun = 0
        self._is_clear = True

    def begin(self, what: str) -> None:
        """Continues with a flag, or another part of the work."""
        self._current = what
        self._begun += 1
        self._tick(self._clock())

    def is_over(self) -> bool:
        """Whether the time for comparing is over; called often, so it also updates the line."""
        now = self._clock()
        self._tick(now)
        return self._budget is not None and now - self._started > self._budget

    def clear(self) -> None:
        """Clears the line."""
        if self._show is not None and not self._is_clear:
            self._show("")
            self._is_clear = True

    def _tick(self, now: float) -> None:
        passed = now - self._started
        if self._show is None or passed < QUIET or now - self._shown < PAUSE:
            return
        self._shown = now
        self._is_clear = False
        self._show(f"comparing: {self._begun:,} begun, now {self._current}; {passed:.0f} s")


def progress_line() -> Callable[[str], None] | None:
    """Writes on one line of the terminal; None if standard error is not a terminal."""
    if not sys.stderr.isatty():
        return None

    def show(line: str) -> None:
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()

    return show
