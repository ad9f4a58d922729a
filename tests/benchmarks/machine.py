"""Where and when something was measured, and the CPU that is kept for what is measured."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

CPU = max(os.sched_getaffinity(0))
PIN = ["taskset", "-c", str(CPU)] if shutil.which("taskset") else []
"""Goes before a command that is measured."""


class Figure(NamedTuple):
    """The median and the quartiles of some rounds."""

    middle: float
    low: float
    high: float


def figure(rounds: list[float]) -> Figure:
    """What some rounds come to."""
    low, _, high = quantiles(rounds, n=4) if len(rounds) > 1 else (rounds[0], 0, rounds[0])
    return Figure(median(rounds), low, high)


def step_aside() -> None:
    """Leaves the measured CPU to what is measured, for this process and those that it starts unpinned."""
    others = os.sched_getaffinity(0) - {CPU}
    if others and PIN:
        os.sched_setaffinity(0, others)


def circumstances(python: str) -> dict[str, str]:
    """The date, the processor, the system and the Python."""
    ran = subprocess.run([python, "-V"], capture_output=True, text=True, check=True)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "system": platform.platform(terse=True),
        "python": ran.stdout.strip(),
    }


def resident(pid: int) -> float:
    """MiB of memory that a process holds."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"process {pid} holds no memory")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
