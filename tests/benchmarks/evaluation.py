"""Prints what loading 1,000 flags costs, and evaluation beside `hashlib.sha256` alone, all in one run.

python tests/benchmarks/evaluation.py
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from hashlib import sha256
from pathlib import Path
from statistics import median
from timeit import Timer
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from burgee.compile import compile_file
from burgee.ruleset import Ruleset
from burgee.snapshots import load_snapshot, payload

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 7


def flag_file(flags: int) -> str:
    """Flags as teams have them: a third booleans, a third rollouts, a third with rules and a split."""
    lines = ["version: 1", "flags:"]
    for number in range(flags):
        lines += [f"  flag_{number}:", "    status: on", f"    description: The flag of that number, {number}"]
        if number % 3 == 1:
            lines += [f"    rollout_percentage: {number % 101}"]
        if number % 3 == 2:
            lines += [
                "    variants: {control: blue, green: '#0a0'}",
                "    rules:",
                "      - when: {country: [DE, FR], app_version: {semver_gte: 2.3.0}}",
                "        split: {control: 50, green: 50}",
                "    default: {serve: control}",
            ]
    return "\n".join(lines)


def nanoseconds(call: Callable[[], object], number: int) -> float:
    """The median over rounds of one call's time."""
    timer = Timer(call)
    timer.timeit(number // 10 + 1)
    return median(timer.repeat(ROUNDS, number)) / number * 1e9


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flags.yaml"
        path.write_text(flag_file(1000), encoding="utf-8")
        started = time.perf_counter()
        snapshot = compile_file(path)
        compiled = time.perf_counter() - started
        tracemalloc.start()
        compile_file(path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    data = payload(snapshot)
    print(f"1,000 flags: read, checked and compiled in {compiled * 1000:.0f} ms, {peak / 2**20:.1f} MB at the peak")
    tracemalloc.start()
    started = time.perf_counter()
    ruleset = Ruleset(load_snapshot(data))
    loaded = time.perf_counter() - started
    ruleset.evaluate_all({"targetingKey": "u"}, 0)
    everything = time.perf_counter() - started
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"from a release of {len(data) / 1024:.0f} KiB: loaded in {loaded * 1000:.1f} ms, all flags compiled and")
    print(f"evaluated once in {everything * 1000:.0f} ms (tracing on), {held / 2**20:.1f} MB held")

    context = {"targetingKey": "user-12345", "country": "DE", "app_version": "2.4.0"}
    hundred = Ruleset({**snapshot, "flags": dict(list(snapshot["flags"].items())[:100])})
    text = b"user-12345:flag_1"
    rows = [
        ("hashlib.sha256 alone", nanoseconds(lambda: sha256(text).digest(), 200_000)),
        ("a boolean rollout", nanoseconds(lambda: ruleset.evaluate("flag_1", context, 0), 200_000)),
        ("a flag that is on", nanoseconds(lambda: ruleset.evaluate("flag_0", context, 0), 200_000)),
        ("two conditions and a split", nanoseconds(lambda: ruleset.evaluate("flag_2", context, 0), 100_000)),
        ("100 flags in bulk", nanoseconds(lambda: hundred.evaluate_all(context, 0), 5_000)),
    ]
    alone = rows[0][1]
    for name, cost in rows:
        print(f"{name:28} {cost:10,.0f} ns   {cost / alone:6.1f} x sha256")


if __name__ == "__main__":
    main()
