"""How long a report takes, and how much memory, of so many exposures and so many events.

    .venv/bin/python tests/benchmarks/report.py [--size 1000000] [--form jsonl] [--days 100] [--folder /where/they/go]

Makes the records once (a folder that has them is used again), then asks `burgee experiment report` for the report in
a process of its own, whose peak memory and processor time the operating system gives. Every unit is exposed once; the
experiment has a metric of each kind, one of them winsorised, and a segment.

With `--days`, each day's records are in a file. A report of all days but the last comes first; then what the last
day costs, with copies of the others (`--keep`) and without.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from burgee.analysis.tables import SCHEMA

FLAGS = """\
version: 1
metrics:
  bought: {event: order, kind: proportion, window: 7d}
  revenue: {event: order, kind: mean, value: amount, winsorise: 99.9}
  basket: {event: order, kind: ratio, value: amount, per: {event: visit}}
  slow: {event: visit, kind: quantile, value: ms, quantile: 0.9, direction: decrease}
flags:
  button:
    status: on
    rollout_percentage: 50
    experiment:
      hypothesis: made up
      start: 2026-01-01
      end: 2026-01-29
      primary: bought
      secondary: [revenue, basket]
      guardrails: {slow: {margin: 10}}
      segments: [country]
"""
START = 1_767_225_600_000
SPAN = 20 * 86_400_000
EXPOSURES = """
SELECT 'exposure' AS type, 'x' || i AS event_id, {start} + hash(i, 1) % {span} AS time,
  'default' AS project, 'default' AS environment, 'button' AS flag,
  CASE WHEN hash(i, 2) % 2 = 0 THEN 'off' ELSE 'on' END AS variant, 'SPLIT' AS reason, 'default' AS rule,
  '7' AS release, 'user-' || i AS unit, NULL AS event,
  MAP {{'country': ['DE', 'FR', 'NL'][1 + (hash(i, 3) % 3)::INT]}} AS properties, 'button' AS topic,
  {start} + hash(i, 1) % {span} AS received, NULL AS known
FROM range({low}, {high}) t(i)"""
EVENTS = """
SELECT 'track' AS type, 'e' || i AS event_id,
  {start} + hash(i, 1) % {span} + 1 + hash(i, 4) % 86400000 AS time,
  'default' AS project, 'default' AS environment, NULL AS flag, NULL AS variant, NULL AS reason, NULL AS rule,
  NULL AS release, 'user-' || i AS unit, CASE WHEN hash(i, 5) % 10 < 7 THEN 'visit' ELSE 'order' END AS event,
  MAP {{'amount': (hash(i, 6) % 10000 / 100)::VARCHAR, 'ms': (50 + hash(i, 7) % 1000)::VARCHAR}} AS properties,
  '_track' AS topic,
  {start} + hash(i, 1) % {span} + 1 + hash(i, 4) % 86400000 AS received, NULL AS known
FROM range({low}, {high}) t(i)"""
FILE_ROWS = 500_000
"""JSON lines of about 128 MB, at which the sink begins another file."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1_000_000)
    parser.add_argument("--form", choices=["jsonl", "parquet"], default="jsonl")
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--days", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.folder or Path(scratch)
        if options.days:
            by_day(folder, options.size, options.days)
            return
        made = folder / f"{options.form}-{options.size}"
        if not made.exists():
            make(made, options.size, options.form)
        flags = folder / "flags.yaml"
        flags.write_text(FLAGS, encoding="utf-8")
        measure(flags, made, options.size)


def by_day(folder: Path, size: int, days: int) -> None:
    """Reports of all days but one, then of all, with copies and without."""
    made, each = folder / f"jsonl-days{days}-{size}", size // days
    flags, kept = folder / "flags.yaml", folder / "kept"
    flags.write_text(FLAGS.replace("end: 2026-01-29", "end: 2026-12-31"), encoding="utf-8")
    made.mkdir(parents=True)
    for day in range(days):
        write_day(made, day, each)
        if day == days - 2:
            print("all days but the last, and copies of them:", end=" ")
            measure(flags, made, each * (day + 1), "--keep", str(kept))
    print("the last day too, from the copies:", end=" ")
    measure(flags, made, each * days, "--keep", str(kept))
    print("all days without copies:", end=" ")
    measure(flags, made, each * days)


def write_day(folder: Path, day: int, size: int) -> None:
    with duckdb.connect() as connection:
        for kind, query in (("exposures", EXPOSURES), ("events", EVENTS)):
            start = START + day * 86_400_000
            rows = query.format(start=start, span=86_400_000, low=day * size, high=(day + 1) * size)
            path = folder / f"{kind}-{day:03}.jsonl"
            connection.execute(f"COPY (SELECT {', '.join(SCHEMA.names)} FROM ({rows})) TO '{path}' (FORMAT JSON)")


def make(folder: Path, size: int, form: str) -> None:
    """Files as the sink writes them, under a name that they have once all are there."""
    building = folder.with_name(folder.name + ".part")
    building.mkdir(parents=True)
    how = "FORMAT JSON" if form == "jsonl" else "FORMAT PARQUET, COMPRESSION SNAPPY"
    connection = duckdb.connect()
    columns = ", ".join(SCHEMA.names)
    for kind, query in (("exposures", EXPOSURES), ("events", EVENTS)):
        for low in range(0, size, FILE_ROWS):
            rows = query.format(start=START, span=SPAN, low=low, high=min(low + FILE_ROWS, size))
            connection.execute(f"COPY (SELECT {columns} FROM ({rows})) TO '{building}/{kind}-{low}.{form}' ({how})")
    connection.close()
    building.rename(folder)


def measure(flags: Path, folder: Path, size: int, *more: str) -> None:
    burgee = Path(sys.executable).with_name("burgee")
    at = ("--at", "2027-02-01T00:00:00Z", "--format", "json", "--flags", str(flags), *more)
    command = [str(burgee), "experiment", "report", "button", "--events", str(folder), *at]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "COLUMNS": "200"}) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - started
    assert process.returncode == 0, printed
    reported = json.loads(printed)
    assert sum(arm["units"] for arm in reported["arms"]) == size, reported["arms"]
    stored = sum(path.stat().st_size for path in folder.iterdir())
    print(
        f"{size:,} exposures and {size:,} events in {folder.name.partition('-')[0]} ({stored / 1e9:.2f} GB): "
        f"{wall:.1f} s, {used.ru_utime + used.ru_stime:.1f} s of processor time, "
        f"{used.ru_maxrss / 1e6:.2f} GB at the most"
    )


if __name__ == "__main__":
    main()
