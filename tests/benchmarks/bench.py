"""Every figure of docs/performance.md and docs/scale.md, part by part: `make bench`.

    python tests/benchmarks/bench.py [--only PART]... [--rounds 15] [--starts 10]

Writes each part, as soon as it is measured, to `results.json` beside this file with its date, machine and duration,
and the pages from them. Parts that are not asked for keep the figures that they have. `--page` writes only the pages.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from benchmarks import cold_start, engines, growth, over_http, package_size, reports, scale
from benchmarks.machine import circumstances, step_aside
from support.build import python_3_13

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results.json")
TEMPLATE = Path(__file__).with_name("page.md")
PAGE = ROOT / "docs/performance.md"
SCALE = ROOT / "docs/scale.md"
LEAST = 7


class Run(NamedTuple):
    """How a part is measured."""

    python: str
    rounds: int
    starts: int


class Part(NamedTuple):
    """How a part is measured, and the words that its figures put into the page."""

    measure: Callable[[Run], Any]
    words: Callable[[Any], dict[str, object]]


PARTS = {
    "engines": Part(lambda run: engines.measure(run.python, run.rounds), engines.words),
    "growth": Part(lambda run: growth.measure(engines.installed("burgee", run.python)), growth.words),
    "cold": Part(lambda run: cold_start.measure(run.python, run.starts), cold_start.words),
    "http": Part(lambda _: over_http.measure(), over_http.words),
    "reports": Part(lambda _: reports.measure(), reports.words),
    "packages": Part(lambda _: package_size.measure(), package_size.words),
}


def measure(names: list[str], run: Run) -> list[str]:
    """Measures parts, and keeps each as soon as it is there; those that failed, whose former figures stay."""
    step_aside()
    failed = []
    for name in names:
        started = time.perf_counter()
        try:
            figures = PARTS[name].measure(run)
        except (AssertionError, OSError, ValueError, subprocess.SubprocessError) as error:
            print(f"bench: {name} failed: {error!r}", file=sys.stderr)
            failed.append(name)
            continue
        seconds = round(time.perf_counter() - started)
        reported = results()
        reported[name] = {**circumstances(run.python), "seconds": seconds, "figures": figures}
        RESULTS.write_text(json.dumps(reported, indent=1) + "\n", encoding="utf-8")
        print(f"bench: {name} took {seconds} s", file=sys.stderr)
    return failed


def results() -> dict[str, Any]:
    """What was measured, by part."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def page(reported: dict[str, Any]) -> str:
    """docs/performance.md."""
    absent = [name for name in PARTS if name not in reported]
    if absent:
        raise ValueError(f"{RESULTS.name} has no {', '.join(absent)}; run bench.py {only(absent)}")
    words = {name: _words(name, reported[name]) for name in PARTS}
    seconds = sum(reported[name]["seconds"] for name in PARTS)
    return TEMPLATE.read_text(encoding="utf-8").format(**words, minutes=f"{seconds / 60:.0f}")


def _words(name: str, part: dict[str, Any]) -> dict[str, object]:
    """A part's words, and where and when it was measured."""
    when = f"Measured on {part['date']} on {part['processor']}, {part['system']}, {part['python']}."
    return {"when": when, **PARTS[name].words(part["figures"])}


def only(names: list[str]) -> str:
    """The options that name these parts."""
    return " ".join(f"--only {name}" for name in names)


def main() -> None:
    """Measures and writes, or writes the page alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", choices=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=15, help="of the engines")
    parser.add_argument("--starts", type=int, default=10, help="of each cold start")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    python, failed = python_3_13(), []
    if asked.rounds < LEAST:
        print(f"bench: {asked.rounds} rounds are for trying it out; publish no fewer than {LEAST}", file=sys.stderr)
    if not asked.page:
        if python is None:
            sys.exit("bench: Python 3.13 is needed, which is Lambda's")
        started = time.perf_counter()
        failed = measure(asked.only or list(PARTS), Run(python, asked.rounds, asked.starts))
        print(f"bench: {time.perf_counter() - started:.0f} s in all", file=sys.stderr)
    try:
        PAGE.write_text(page(results()), encoding="utf-8")
        SCALE.write_text(scale.page(results()), encoding="utf-8")
    except ValueError as error:
        sys.exit(f"bench: {error}")
    print(PAGE.read_text(encoding="utf-8"))
    if failed:
        sys.exit(f"bench: try again with {only(failed)}")


if __name__ == "__main__":
    main()
