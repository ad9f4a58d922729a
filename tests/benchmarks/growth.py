"""Loading and holding flags as they become many: time and memory, which must grow in step with the flags."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from benchmarks import work
from benchmarks.rivals import burgee

SIZES = (1_000, 10_000, 100_000)
LISTS = (10_000, 100_000, 1_000_000)
ROUNDS = 7
FEW = 2
"""Rounds of what is so large that it takes seconds."""


def many(flags: int) -> bytes:
    """A release of so many flags."""
    return burgee.document(work.many(flags))


def listing(users: int) -> bytes:
    """A release of one flag that names so many users."""
    flag = {"status": True, "targets": {"on": [f"user-{n}" for n in range(users)]}, "default": {"serve": "off"}}
    return json.dumps({"format": 1, "environment": None, "flags": {"users": flag}}).encode()


def taken(size: int, call: Any) -> float:
    """Milliseconds of processor time, the median over rounds."""
    times = []
    for _ in range(ROUNDS if size <= 10_000 else FEW):
        gc.collect()
        started = time.process_time_ns()
        call()
        times.append((time.process_time_ns() - started) / 1e6)
    return median(times)


def one(kind: str, size: int) -> dict[str, float]:
    """The figures of one size, in a process of its own."""
    data = many(size) if kind == "flags" else listing(size)
    person = burgee.someone(*work.person(1))
    ruleset = burgee.ready(data)
    told = {
        "bytes": len(data),
        "parse": taken(size, lambda: json.loads(data)),
        "ready": taken(size, lambda: burgee.ready(data)),
        "first": taken(size, lambda: burgee.ready(data).evaluate_all(person)),
    }
    ruleset.evaluate_all(person)
    told["every"] = taken(size, lambda: ruleset.evaluate_all(person))
    return told


def held(kind: str, size: int) -> float:
    """Bytes that a ruleset holds once every flag has been evaluated, snapshot and all."""
    import tracemalloc

    data = many(size) if kind == "flags" else listing(size)
    tracemalloc.start()
    ruleset = burgee.ready(data)
    ruleset.evaluate_all(burgee.someone(*work.person(1)))
    total, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return total


def measure(python: str) -> dict[str, Any]:
    """Figures by kind and size."""
    found: dict[str, Any] = {"flags": {}, "list": {}}
    for kind, sizes in (("flags", SIZES), ("list", LISTS)):
        for size in sizes:
            ran = subprocess.run(
                [python, __file__, kind, str(size)], capture_output=True, text=True, check=True, timeout=1800
            )
            found[kind][size] = json.loads(ran.stdout)
    return found


def table(told: dict[str, Any]) -> str:
    """The figures in Markdown."""
    lines = [
        "| | release | `json.loads` | ready | ready / parse | every flag once | bytes held each |",
        "|---" * 7 + "|",
    ]
    for kind, sizes in told.items():
        for size, one_ in sizes.items():
            name = f"{int(size):,} flags" if kind == "flags" else f"one flag, {int(size):,} users"
            cells = [f"{one_['bytes'] / 1e6:.1f} MB", f"{one_['parse']:,.1f} ms", f"{one_['ready']:,.1f} ms"]
            cells += [
                f"{one_['ready'] / one_['parse']:.2f}",
                f"{one_['first']:,.1f} ms",
                f"{one_['held'] / int(size):,.0f}",
            ]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    figures = one(sys.argv[1], int(sys.argv[2]))
    print(json.dumps({**figures, "held": held(sys.argv[1], int(sys.argv[2]))}))
