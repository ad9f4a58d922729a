"""What `burgee diff` costs: files of 1,000 and 2,000 flags, many conditions on one attribute, and contexts.

    python tests/benchmarks/effect.py [--contexts 1000000]

Each line is a process of its own, its processor time and its peak memory as the kernel counts them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

FLAGS = 1_000
FED = 500
PARQUET = """
import sys, pyarrow.json, pyarrow.parquet
pyarrow.parquet.write_table(pyarrow.json.read_json(sys.argv[1]), sys.argv[2])
"""
MAIN = "from burgee.cli import main; main()"


class Cost(NamedTuple):
    """Seconds on the clock and on the processor, and MiB at the peak."""

    wall: float
    processor: float
    memory: float


def cost(*arguments: str) -> Cost:
    """Runs `burgee` and asks the kernel what it took."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", MAIN, *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def flag(number: int, share: int) -> dict[str, Any]:
    """One of three kinds: a rollout, one with rules, an experiment."""
    rules: list[dict[str, Any]] = [{"name": "paying", "when": {"plan": ["pro", "team"]}, "serve": "on"}]
    if number < FED:
        rules.append({"name": "europe", "when": {"segment": "eu"}, "rollout_percentage": 40, "serve": "on"})
    made: dict[str, Any] = {
        "status": True,
        "owner": f"team-{number % 9}",
        "rollout_percentage": share,
        "rules": rules,
    }
    if number % 3 == 0:
        made |= {
            "variants": {"control": "a", "green": "b"},
            "off_variant": "control",
            "rules": [{**rule, "serve": "green"} for rule in rules],
            "default": {"split": {"control": 50, "green": 50}},
        }
    return made


def write(path: Path, changed: int, countries: list[str], number_of_flags: int = FLAGS) -> Path:
    """JSON is YAML."""
    flags = {f"flag-{number}": flag(number, 20 if number < changed else 10) for number in range(number_of_flags)}
    file = {"version": 1, "segments": {"eu": {"when": {"country": countries}}}, "flags": flags}
    path.write_text(json.dumps(file, indent=1), encoding="utf-8")
    return path


def context(source: random.Random) -> dict[str, Any]:
    return {
        "targetingKey": f"user-{source.randrange(10**7)}",
        "country": source.choice(["DE", "FR", "US", "IN", "BR", "NL"]),
        "plan": source.choice(["free", "pro", "team"]),
        "app_version": f"{source.randrange(4)}.{source.randrange(20)}.{source.randrange(10)}",
        "email": f"u{source.randrange(10**7)}@example.com",
    }


def diffs(folder: Path, base: Path) -> None:
    for reported, changed, countries in (
        ("nothing changed", 0, ["DE", "FR"]),
        ("1 flag changed", 1, ["DE", "FR"]),
        ("200 flags changed", 200, ["DE", "FR"]),
        ("a segment that feeds 500", 0, ["DE", "FR", "NL"]),
    ):
        head = write(folder / "head.yaml", changed, countries)
        took = min(cost("diff", str(base), str(head), "--format", "markdown") for _ in range(3))
        print(
            f"{reported:26} {took.wall:6.2f} s  {took.processor:6.2f} s processor  {took.memory:5.0f} MiB", flush=True
        )


def larger(folder: Path) -> None:
    """2,000 flags with one changed."""
    sides = [write(folder / f"{changed}.yaml", changed, ["DE", "FR"], 2 * FLAGS) for changed in (0, 1)]
    took = min(cost("diff", *map(str, sides), "--format", "markdown") for _ in range(2))
    print(
        f"1 of {2 * FLAGS:,} flags changed      {took.processor:6.2f} s processor  {took.memory:5.0f} MiB", flush=True
    )


def growth(folder: Path) -> None:
    """Rules on one attribute, whose conditions overlap, before a default that goes."""
    operators = ("semver_gte", "semver_lt", "starts_with", "contains", "ends_with")
    operands = ("{}.1.0", "{}.5.0", "{}.", "-rc{}", ".{}")
    for number in (5, 10, 20, 40):
        conditions = [{operators[index % 5]: operands[index % 5].format(index)} for index in range(number)]
        rules = [
            {"name": f"r{index}", "when": {"app_version": one}, "serve": "on" if index % 2 else "off"}
            for index, one in enumerate(conditions)
        ]
        sides = [folder / f"{side}-growth.yaml" for side in ("base", "head")]
        for path, share in zip(sides, (45, 0), strict=True):
            made = {"version": 1, "flags": {"a": {"status": True, "rules": rules, "rollout_percentage": share}}}
            path.write_text(json.dumps(made), encoding="utf-8")
        took = min(cost("diff", *map(str, sides)) for _ in range(2))
        print(f"{number:2} conditions on one attribute {took.processor:6.2f} s processor", flush=True)


def contexts(folder: Path, base: Path, number: int) -> None:
    """Rates are of the whole command less the same command without contexts."""
    source = random.Random(1)
    lines, parquet = folder / "contexts.jsonl", folder / "contexts.parquet"
    with lines.open("w", encoding="utf-8") as file:
        for _ in range(number):
            file.write(json.dumps(context(source)) + "\n")
    files = [lines]
    # In a process of its own: what this one holds would be counted as the peak of those that it starts.
    if subprocess.run([sys.executable, "-c", PARQUET, str(lines), str(parquet)], check=False).returncode == 0:
        files.append(parquet)
    for changed in (1, 10):
        head = write(folder / "head.yaml", changed, ["DE", "FR"])
        bare = min(cost("diff", str(base), str(head)) for _ in range(2))
        for path in files:
            took = cost("diff", str(base), str(head), "--contexts", str(path))
            rate = number * changed / (took.processor - bare.processor)
            print(
                f"{number:,} contexts, {changed:2} flags, {path.suffix:8} {took.wall:6.2f} s  "
                f"{rate:9,.0f} contexts a second and flag  {took.memory:5.0f} MiB (without: {bare.memory:.0f})",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contexts", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = write(folder / "base.yaml", 0, ["DE", "FR"])
        diffs(folder, base)
        larger(folder)
        growth(folder)
        if arguments.contexts:
            contexts(folder, base, arguments.contexts)


if __name__ == "__main__":
    main()
