"""What is counted against a log of every answer, from processes of which some are killed.

A process whose end it can see counts exactly what it logged. One that is killed loses what it answered since its last
record, and nothing before. `BURGEE_USAGE_ANSWERS` sets how many answers there are; the whole is 1,000,000.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burgee.events.records import RecordScope
from burgee.events.usage_database import UsageDatabase
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWERS = int(os.environ.get("BURGEE_USAGE_ANSWERS", "24000"))
PROCESSES = 4
KILLS = 8
PERIOD = 0.05
"""Seconds between the records of a process here, instead of a minute: shorter, so that many records are cut."""
BYTES = 130
"""Of an answer in a log, about."""
ROOT = Path(__file__).parents[2]
WORKER = f"""
import itertools, os, sys, time
sys.path[:0] = [{str(ROOT / "functions")!r}]
from pathlib import Path
from burgee.events import usage
from burgee.events.records import RecordScope
from burgee.events.usage_database import UsageDatabase
from burgee.serving.serving import Serving
from burgee.stores import Tenant
from burgee.web.evaluation_app import evaluation_app
from burgee.web.exchange import EVERYTHING, Caller
from burgee.web.front import Setup
usage.PERIOD = usage.FIRST = {PERIOD}
folder, name, first, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
caller = Caller(Tenant("p", "e"), EVERYTHING, name, key=name)
counter = usage.UsageCounter(UsageDatabase(folder / "usage.sqlite"), RecordScope("p", "e"))
flags = {{f"flag-{{i}}": {{"status": True, "rollout_percentage": 10 * i}} for i in range(1, 6)}}
setup = Setup(vouched=lambda scope: caller, usage=counter, limits=None)
app = evaluation_app(Serving(bundled={{"flags": flags}}), setup=setup)
log = os.open(folder / f"{{name}}.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
async def receive():
    return {{"type": "http.request", "body": body}}
async def send(message):
    global sent
    sent = message.get("body", b"")
def ask(path):
    scope = {{"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": [(b"host", b"h")]}}
    try:
        app(scope, receive, send).send(None)
    except StopIteration:
        return
done = 0
for person in itertools.count(first):
    body = b'{{"context": {{"targetingKey": "user-%d"}}}}' % person
    bulk = person % 10 == 0
    ask("/ofrep/v1/evaluate/flags" if bulk else f"/ofrep/v1/evaluate/flags/flag-{{person % 5 + 1}}")
    line = b"%d %d %b\\n" % (time.time_ns(), bulk, sent)
    os.write(log, line)
    done += 5 if bulk else 1
    if done >= number:
        break
"""


def logged(path: Path) -> Iterator[tuple[float, tuple[str, str, bool]]]:
    """Each answer of a log: when it was given at the latest, and what."""
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):
            at, bulk, body = line.split(b" ", 2)
            found = json.loads(body)
            for one in found["flags"] if bulk == b"1" else [found]:
                yield int(at) / 1e9, (one["key"], one["variant"], bulk == b"1")


def start(folder: Path, name: str, first: int, number: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WORKER, str(folder), name, str(first), str(number)])


def reach(path: Path, size: int) -> None:
    """Waits until a file has so many bytes."""
    eventually(lambda: (path.exists() and path.stat().st_size >= size) or None, lambda: f"{path.name} does not grow")


def test_what_is_counted_is_what_was_answered_less_what_was_cut_by_kills(tmp_path: Path) -> None:
    chance = random.Random(22)
    each = ANSWERS // (PROCESSES + KILLS)
    killed: set[str] = set()
    ended: set[str] = set()
    for wave in range(1 + KILLS // PROCESSES):
        is_last = wave == KILLS // PROCESSES
        with ExitStack() as stack:
            running = {
                f"{wave}-{one}": stack.enter_context(
                    start(tmp_path, f"{wave}-{one}", one * 10**7 + wave, each if is_last else ANSWERS)
                )
                for one in range(PROCESSES)
            }
            for name, process in running.items():
                if is_last:
                    assert process.wait() == 0
                    ended.add(name)
                    continue
                # At a size of its log, which is an amount of answers and not a time.
                reach(tmp_path / f"{name}.log", int(each * BYTES * chance.uniform(0.8, 1.2)))
                process.kill()
                killed.add(name)
    usage = UsageDatabase(tmp_path / "usage.sqlite")
    counted: dict[str, Counter[Any]] = {name: Counter() for name in killed | ended}
    written: dict[str, float] = dict.fromkeys(counted, 0.0)
    for one in usage.answered(RecordScope("p", "e"), 0.0):
        cell = one.cell
        counted[cell.key][cell.flag, cell.variant, cell.bulk] += one.answers
        written[cell.key] = max(written[cell.key], one.last)
    lost = answers = 0
    for name, found in counted.items():
        given = list(logged(tmp_path / f"{name}.log"))
        answers += len(given)
        every = Counter(what for _, what in given)
        if name in ended:
            assert found == every, f"{name} ended by itself"
            continue
        assert not found - every or sum((found - every).values()) <= 5, "the last answer may not be in its log"
        # Its last record was written in the second `written`; what was answered before that second is all counted.
        before = Counter(what for at, what in given if at < written[name] - 0.5)
        assert not before - found, f"{name} lost what it had written"
        cut = sum((every - found).values())
        assert cut <= sum(at >= written[name] - 0.5 for at, _ in given)
        lost += cut
    assert answers >= ANSWERS * 0.7
    assert usage.coverage(RecordScope("p", "e"), 0.0).lost == 0
    usage.close()
    print(f"{answers:,} answers in {len(counted)} processes, {len(killed)} killed: {lost:,} not counted")
