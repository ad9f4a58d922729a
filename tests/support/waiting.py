"""Waiting for what another thread or process does: the one place where tests look at a clock."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 120.0
"""Seconds. What takes longer hangs; a busy machine is only slow."""

Found = TypeVar("Found")


def eventually(look: Callable[[], Found], otherwise: Callable[[], str] = lambda: "it never happened") -> Found:
    """What `look` returns once that is true; an assertion error if it hangs."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)
    return found
