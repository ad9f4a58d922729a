"""Computes the effect of a change for dry runs and messages, within a budget, in a separate process.

The effect of a large flag can take minutes of Python, which would slow every evaluation in this process. So only one
dry run is computed at a time, by a low-priority process that is killed when its time is over.
"""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

from burgee.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.model import Snapshot

SECONDS = 8.0
"""A Lambda function has 10 s for the whole request."""
MEMORY = 1024**3
_OUT_OF_MEMORY = 3
_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from burgee.web.dry_run import main; main()"
_one = Lock()


@contextmanager
def alone() -> Iterator[None]:
    """Allows one dry run at a time, including its preparation. Raises Refused while another is in progress."""
    if not _one.acquire(blocking=False):
        raise Refused("dry-run-busy", "another dry run is in progress; try again in a moment")
    try:
        yield
    finally:
        _one.release()


def effect(before: Snapshot, after: Snapshot, now: float) -> list[dict[str, Any]]:
    """The records of flags that change at `now` (epoch seconds) or later, as in `burgee diff --format json`.

    Raises Refused if it exceeds its time or memory. Call it inside `alone`.
    """
    records: list[dict[str, Any]] = _computed(before, after, now)["records"]
    return records


def effect_in_words(before: Snapshot, after: Snapshot, now: float) -> list[str]:
    """The same in lines for people, for messages; a background task computes it, so that it does not wait for others.

    Raises Refused if it exceeds its time or memory.
    """
    lines: list[str] = _computed(before, after, now)["lines"]
    return lines


def _computed(before: Snapshot, after: Snapshot, now: float) -> dict[str, Any]:
    request = json.dumps({"before": before, "after": after, "now": now}).encode()
    command = [sys.executable, "-c", _CODE, json.dumps(sys.path)]
    try:
        ran = subprocess.run(command, input=request, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603 - ours
    except subprocess.TimeoutExpired as error:
        raise _too_large() from error
    if ran.returncode < 0 or ran.returncode == _OUT_OF_MEMORY:
        raise _too_large()
    if ran.returncode:
        raise RuntimeError(f"the process that computes an effect failed: {ran.stderr.decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(ran.stdout)
    return answer


def _too_large() -> Refused:
    why = f"the effect takes more than {SECONDS:g} s or {MEMORY // 1024**2:,} MB; `burgee diff` has no such limit"
    return Refused("dry-run-too-large", why)


def main() -> None:
    """The process: reads a request from standard input, writes its records and lines to standard output."""
    _give_way()
    request = json.loads(sys.stdin.buffer.read())
    try:
        answer = answer_to(request)
    except MemoryError:
        sys.exit(_OUT_OF_MEMORY)
    json.dump(answer, sys.stdout)


def answer_to(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the process answers: the effect as records, and as lines for people."""
    from burgee.diff.effect import effects
    from burgee.diff.lines import effect_lines
    from burgee.diff.records import flag_records

    found = effects(request["before"], request["after"], request["now"])
    return {"records": flag_records(found), "lines": effect_lines(found)}


def _give_way() -> None:
    """Lowers this process's priority, and limits its resources in case its parent cannot end it."""
    try:
        import os
        import resource
    except ImportError:  # not on Windows
        return
    os.nice(10)
    # Niceness alone leaves it a tenth of a busy processor. Not every system has this, nor allows it.
    with suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (int(2 * SECONDS), int(2 * SECONDS)))
