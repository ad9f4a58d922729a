"""Every figure of docs/performance.md in one run: `make bench`.

    python tests/benchmarks/bench.py [--rounds 9] [--starts 10]

Writes the figures to `results.json` beside this file and the page from them; `--page` writes the page alone.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from benchmarks import cold_start, engines, growth
from support_build import python_3_13

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).with_name("results.json")
TEMPLATE = Path(__file__).with_name("page.md")
PAGE = ROOT / "docs/performance.md"


def measure(rounds: int, starts: int) -> dict[str, Any]:
    """All figures."""
    python = python_3_13()
    if python is None:
        sys.exit("bench: Python 3.13 is needed, which is Lambda's")
    ours = engines.installed("burgee", python)
    told: dict[str, Any] = {"date": datetime.now(UTC).date().isoformat(), "starts": starts}
    told["engines"] = engines.measure(python, rounds)
    told["growth"] = growth.measure(ours)
    told["cold"] = {
        kind: {name: list(run) for name, run in cases.items()} for kind, cases in cold_start.measure(starts).items()
    }
    told["imports"] = imports(ours)
    told["packages"] = packages()
    return json.loads(json.dumps(told))  # type: ignore[no-any-return]  # as it will be read back


def imports(python: str) -> list[list[Any]]:
    """Where the import of the evaluation function goes: milliseconds by package, the largest first."""
    libraries = cold_start.packages(python, compiled=True)
    ran = subprocess.run(
        [python, "-X", "importtime", "-c", "import evaluate"],
        cwd=ROOT / "functions",
        env={"PYTHONPATH": str(libraries)},
        capture_output=True,
        text=True,
        check=True,
    )
    sums: dict[str, float] = {}
    for line in ran.stderr.splitlines():
        _, _, figures = line.partition("import time:")
        own, _, name = figures.partition("|")
        if own.strip().isdigit():
            top = name.rpartition("|")[2].strip().partition(".")[0]
            top = top if top in {"burgee", "starlette", "mangum", "anyio", "asyncio"} else "the rest of Python"
            sums[top] = sums.get(top, 0) + int(own) / 1000
    return sorted(([name, round(one, 1)] for name, one in sums.items()), key=lambda pair: -float(pair[1]))


def packages() -> dict[str, float]:
    """MB of what is deployed: the libraries without boto3, which Lambda has, and this project."""
    found = {}
    for kind in ("cold-plain", "cold-compiled"):
        files = [file for file in (cold_start.CACHE / kind).rglob("*") if file.is_file()]
        heavy = {"boto3", "botocore", "awslambdaric", "s3transfer", "jmespath", "urllib3", "dateutil"}
        own = [file for file in files if file.relative_to(cold_start.CACHE / kind).parts[0] not in heavy]
        found[kind] = round(sum(file.stat().st_size for file in own) / 1e6, 1)
    return found


def page(told: dict[str, Any]) -> str:
    """docs/performance.md."""
    rows = told["engines"]["figures"]
    w1 = rows["burgee"]["W1"][0] / rows["formula"]["W1"][0]
    missing = "\n".join(f"- {name}: {why}." for name, why in told["engines"]["missing"].items())
    versions = ", ".join(pin for pins in told["engines"]["versions"].values() for pin in pins)
    cold = {kind: {name: cold_start.Run(*run) for name, run in cases.items()} for kind, cases in told["cold"].items()}
    spent = "\n".join(f"| {name} | {one} |" for name, one in told["imports"])
    values = {
        "date": told["date"],
        **told["engines"]["machine"],
        "rounds": told["engines"]["rounds"],
        "engines": engines.table(told["engines"]),
        "w1": f"{w1:.2f}",
        "missing": missing,
        "versions": versions,
        "growth": growth.table(told["growth"]),
        "starts": told["starts"],
        "cold": cold_start.table(cold),
        "spent": spent,
        "plain": told["packages"]["cold-plain"],
        "compiled": told["packages"]["cold-compiled"],
    }
    return TEMPLATE.read_text(encoding="utf-8").format(**values)


def main() -> None:
    """Measures and writes, or writes the page alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--page", action="store_true")
    told = parser.parse_args()
    if not told.page:
        figures = measure(told.rounds, told.starts)
        RESULTS.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(RESULTS.read_text(encoding="utf-8"))), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
