"""What a small report costs beside the import of the libraries that it needs, in processor time.

python tests/benchmarks/reports.py

An experiment of 300 units with a metric of each kind, from JSON lines. Each round starts every process once, in an
order that moves by one; the first round, which writes byte code, is not counted.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import report
from benchmarks.machine import PIN

ROUNDS = 9
LIBRARIES = "import typer, pydantic, yaml, duckdb, ibis.backends.duckdb"
SCIENCE = f"{LIBRARIES}, pyarrow, numpy, scipy.special"
BURGEE = "from burgee.cli import main; main()"
STATEMENTS = f"""
{LIBRARIES}, json, sys
connection = duckdb.connect()
for statement in json.loads(open(sys.argv[1]).read()):
    connection.execute(statement).fetchall()
"""
CAPTURE = """
import json, sys, ibis.backends.duckdb as engine
asked, run = [], engine.Backend.raw_sql
engine.Backend.raw_sql = lambda self, sql, **more: (asked.append(sql), run(self, sql, **more))[1]
to = open(sys.argv.pop(1), "w")
from burgee.cli import main
try:
    main()
finally:
    json.dump([one for one in asked if "temp_directory" not in one], to)
"""
"""Keeps the statements of a report, which differ from run to run only in the folder for what spills."""


def measure() -> dict[str, Any]:
    """Seconds of processor time, the least of the rounds, and how often that of the libraries, least and median."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report.make(folder / "events", 300, "jsonl")
        (folder / "flags.yaml").write_text(report.FLAGS, encoding="utf-8")
        given = ["--events", "events", "--at", "2027-02-01T00:00:00Z"]
        _spent([CAPTURE, "statements.json", "experiment", "report", "button", *given], folder)
        rows = {
            "libraries": [LIBRARIES],
            "statements": [STATEMENTS, "statements.json"],
            "report": [BURGEE, "experiment", "report", "button", *given],
            "status": [BURGEE, "experiment", "status", *given],
            "science": [SCIENCE],
        }
        names, found = list(rows), {row: list[float]() for row in rows}
        for number in range(ROUNDS + 1):
            at = number % len(names)
            for row in names[at:] + names[:at]:
                spent = _spent(rows[row], folder)
                if number:
                    found[row].append(spent)
    base = found["libraries"]
    ratios = {
        row: [min(times) / min(base), median(one / other for one, other in zip(times, base, strict=True))]
        for row, times in found.items()
    }
    return {
        "python": platform.python_version(),
        "seconds": {row: min(times) for row, times in found.items()},
        "ratios": ratios,
    }


def _spent(command: list[str], folder: Path) -> float:
    """The processor time of a Python process, in seconds."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    started = [*PIN, sys.executable, "-c", *command]
    with subprocess.Popen(started, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return used.ru_utime + used.ru_stime


TITLES = {
    "libraries": "the import of the libraries that both need: Typer, pydantic, PyYAML, Ibis with DuckDB",
    "statements": "the same, and DuckDB's answers to the statements of the report, already written",
    "report": "**burgee experiment report**",
    "status": "**burgee experiment status**",
    "science": "the import of these libraries with PyArrow, numpy and `scipy.special`, which both needed before",
}


def words(figures: dict[str, Any]) -> dict[str, object]:
    """The rows of the page."""
    lines = ["| | s | times the libraries, least | median |", "|---|---|---|---|"]
    for row, title in TITLES.items():
        least, middle = figures["ratios"][row]
        lines.append(f"| {title} | {figures['seconds'][row]:.2f} | {least:.2f} | {middle:.2f} |")
    seconds = figures["seconds"]
    return {
        "table": "\n".join(lines),
        "python": figures["python"],
        "rounds": ROUNDS,
        "of_before": f"{seconds['report'] / seconds['science']:.2f} and {seconds['status'] / seconds['science']:.2f}",
    }


if __name__ == "__main__":
    print(words(measure())["table"])
