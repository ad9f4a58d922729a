"""Usage in SQLite adds up to what was counted, whatever arrives twice, at once, late, or from a clock that jumped."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from burgee.errors import SinkUnavailable
from burgee.events.records import RecordScope
from burgee.events.usage_database import DAY, HOUR, HOURS_DAYS, KEEP_DAYS, UsageDatabase
from burgee.events.usage_records import Cell, Window, usage_records

ROOT = Path(__file__).parents[2]
SCOPE = RecordScope("p", "e")
START = 20_000 * DAY


def cell(flag: str = "beta", variant: str | None = "on", **more: Any) -> Cell:
    made = Cell(flag, variant, "SPLIT", "default", None, 7, override=False, key="shop", bulk=False)
    return made._replace(**more)


def at(moment: float, counts: dict[Cell, int], lost: int = 0, scope: RecordScope = SCOPE) -> list[dict[str, Any]]:
    return usage_records(counts, Window(moment - 60, moment, lost), scope)


def totals(usage: UsageDatabase, since: float = 0.0, **more: Any) -> dict[Cell, int]:
    return {one.cell: one.answers for one in usage.answered(SCOPE, since, **more)}


def test_counts_are_added_up_by_answer_and_read_since_an_hour(tmp_path: Path) -> None:
    usage = UsageDatabase(tmp_path / "usage.sqlite")
    cells = [
        cell(),
        cell(variant=None, error="PARSE_ERROR", rule=None),
        cell(key="", bulk=True, override=True),
        cell("x"),
    ]
    for hour in range(48):
        usage.write(at(START + hour * HOUR + 61, {one: number + 1 for number, one in enumerate(cells)}, lost=2))
    assert totals(usage) == {one: 48 * (number + 1) for number, one in enumerate(cells)}
    assert totals(usage, START + 47 * HOUR + 5) == {one: number + 1 for number, one in enumerate(cells)}
    assert totals(usage, flag="x") == {cells[3]: 48 * 4}
    (one,) = usage.answered(SCOPE, 0.0, "x")
    assert (one.last, one.records) == (START + 47 * HOUR + 61, 48)
    assert usage.coverage(SCOPE, START + DAY) == (START, 1, 48)
    assert usage.coverage(RecordScope("p", "other"), 0.0) == (None, 0, 0)
    usage.close()


def test_a_record_that_arrives_twice_counts_once(tmp_path: Path) -> None:
    usage = UsageDatabase(tmp_path / "usage.sqlite")
    records = at(START, {cell(): 5})
    for _ in range(3):
        usage.write(records)
    assert totals(usage) == {cell(): 5}
    usage.close()


def write_alone(path: Path, number: int) -> None:
    usage = UsageDatabase(path)
    usage.write(at(START + number, {cell(): 1}))
    usage.close()


def test_many_connections_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    usage = UsageDatabase(path)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_alone(path, number), range(40)))
    assert totals(usage) == {cell(): 40}
    usage.close()


def test_the_file_stays_small_and_loses_no_count_of_the_days_that_are_kept(tmp_path: Path) -> None:
    """By brute force: every record that belongs to a kept day is in the sums."""
    usage = UsageDatabase(tmp_path / "usage.sqlite")
    chance = random.Random(1)
    written: list[tuple[int, Cell, int]] = []
    for day in range(KEEP_DAYS + 20):
        for hour in (0, 5, 23):
            counts = {cell(f"f{number}"): chance.randrange(1, 9) for number in range(3)}
            usage.write(at(START + day * DAY + hour * HOUR + 7, counts, lost=1))
            written += [(day, one, number) for one, number in counts.items()]
    expected: Counter[Cell] = Counter()
    for day, one, number in written:
        if day >= 20:
            expected[one] += number
    assert totals(usage) == expected
    first, days, lost = usage.coverage(SCOPE, 0.0)
    assert (first, days, lost) == (START + 20 * DAY, KEEP_DAYS, KEEP_DAYS * 3)
    (rows,) = sqlite3.connect(tmp_path / "usage.sqlite").execute("SELECT count(*) FROM answered").fetchone()
    assert rows == 3 * (KEEP_DAYS - HOURS_DAYS) + 3 * 3 * HOURS_DAYS
    (records,) = sqlite3.connect(tmp_path / "usage.sqlite").execute("SELECT count(*) FROM record").fetchone()
    assert records == 3 * HOURS_DAYS
    usage.close()


@pytest.mark.parametrize("jump", [-10_000 * DAY, 10_000 * DAY])
def test_a_clock_that_jumps_for_a_day_deletes_nothing(tmp_path: Path, jump: int) -> None:
    usage = UsageDatabase(tmp_path / "usage.sqlite")
    for day in range(30):
        usage.write(at(START + day * DAY, {cell(): 1}))
        usage.write(at(START + day * DAY + (jump if day == 15 else 0), {cell(): 1}))
    assert totals(usage) == {cell(): 60}
    usage.close()


def test_a_file_that_is_gone_or_of_something_else_is_said_and_costs_no_answer(tmp_path: Path) -> None:
    bad = tmp_path / "usage.sqlite"
    bad.write_bytes(b"not a database, but long enough to be taken for the head of one" * 20)
    with pytest.raises(SinkUnavailable):
        UsageDatabase(bad).write(at(START, {cell(): 1}))
    with pytest.raises(SinkUnavailable):
        UsageDatabase(tmp_path / "no" / "folder" / "usage.sqlite").write(at(START, {cell(): 1}))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {paths!r}
from events.test_usage_database import START, at, cell
from burgee.events.usage_database import UsageDatabase
usage = UsageDatabase(Path(sys.argv[1]))
for number in range(10_000):
    usage.write(at(START + number, {{cell(): 1, cell(variant="off"): 1}}))
    print(number, flush=True)
"""


def test_a_process_that_is_killed_leaves_whole_records(tmp_path: Path) -> None:
    path = tmp_path / "usage.sqlite"
    usage = UsageDatabase(path)
    usage.write(at(START, {cell("first"): 1}))
    script = KILLED.format(paths=[str(ROOT / "tests"), str(ROOT / "functions")])
    with subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(30):
            process.stdout.readline()
        process.kill()
        counted = 30 + len(process.stdout.read().split())
    found = totals(usage)
    assert found[cell()] == found[cell(variant="off")]
    assert counted <= found[cell()] <= counted + 1
    usage.close()


def test_counts_that_are_sent_to_overflow_do_not(tmp_path: Path) -> None:
    usage = UsageDatabase(tmp_path / "usage.sqlite")
    for number in range(20):
        usage.write(at(START + number * DAY, {cell(): 2**62, cell("x"): 1}))
    assert totals(usage) == {cell(): 9 * 10**15, cell("x"): 20}
    assert [one.answers for one in usage.totals(SCOPE)] == [9 * 10**15, 20]
    usage.close()
