"""Loading and holding flags as they become many: time and memory, which must grow in step with the flags."""

from __future__ import annotations

import gc
import json
import math
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from benchmarks import work
from benchmarks.machine import PIN
from benchmarks.rivals import burgee

SIZES = (1_000, 10_000, 100_000)
LISTS = (10_000, 100_000, 1_000_000)
ROUNDS = 7
FEW, LARGE = 2, 10_000
"""Rounds of what is so large that it takes seconds, and what is no larger than that."""


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
    for _ in range(ROUNDS if size <= LARGE else FEW):
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
    reported = {
        "bytes": len(data),
        "parse": taken(size, lambda: json.loads(data)),
        "ready": taken(size, lambda: burgee.ready(data)),
        "first": taken(size, lambda: burgee.ready(data).evaluate_all(person)),
    }
    gc.disable()
    reported["uncollected"] = taken(size, lambda: burgee.ready(data).evaluate_all(person))
    gc.enable()
    ruleset.evaluate_all(person)
    reported["every"] = taken(size, lambda: ruleset.evaluate_all(person))
    return reported


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
            command = [*PIN, python, __file__, kind, str(size)]
            ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=1800)
            found[kind][size] = json.loads(ran.stdout)
    return found


def exponents(sizes: dict[str, dict[str, float]], row: str) -> list[float | None]:
    """By size, x where the figure grew as n to the x since the size before; None for the first."""
    reported = [(int(size), one_[row]) for size, one_ in sizes.items()]
    steps = [math.log(after[1] / before[1]) / math.log(after[0] / before[0]) for before, after in pairwise(reported)]
    return [None, *steps]


def words(reported: dict[str, Any]) -> dict[str, object]:
    """What the page says."""
    return {"table": table(reported), "rounds": ROUNDS, "few": FEW, "large": f"{LARGE:,}"}


def table(reported: dict[str, Any]) -> str:
    """The figures in Markdown."""
    heads = ["", "release", "`json.loads`", "ready", "/ parse", "grows as", "every flag once", "grows as"]
    heads += ["uncollected", "grows as", "again", "bytes held each"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for kind, sizes in reported.items():
        steps = [exponents(sizes, row) for row in ("ready", "first", "uncollected")]
        for (size, one_), *growth in zip(sizes.items(), *steps, strict=True):
            name = f"{int(size):,} flags" if kind == "flags" else f"one flag, {int(size):,} users"
            grown = ["" if exponent is None else f"n^{exponent:.2f}" for exponent in growth]
            cells = [f"{one_['bytes'] / 1e6:.1f} MB", f"{one_['parse']:,.1f} ms", f"{one_['ready']:,.1f} ms"]
            cells += [f"{one_['ready'] / one_['parse']:.2f}", grown[0]]
            cells += [f"{one_['first']:,.1f} ms", grown[1], f"{one_['uncollected']:,.1f} ms", grown[2]]
            cells += [f"{one_['every']:,.1f} ms"]
            lines.append(f"| {name} | {' | '.join(cells)} | {one_['held'] / int(size):,.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    figures = one(sys.argv[1], int(sys.argv[2]))
    print(json.dumps({**figures, "held": held(sys.argv[1], int(sys.argv[2]))}))
