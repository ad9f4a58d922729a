"""The embedded sink: what `write` returned from is on the disk, whatever happens next."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import SinkUnavailable
from burgee.events.jsonl_sink import JsonlSink, heal
from burgee.events.records import RecordScope, accept

if TYPE_CHECKING:
    from pathlib import Path

KILLS = int(os.environ.get("BURGEE_KILLS", "12"))


def record(number: int) -> dict[str, Any]:
    return accept({"type": "track", "event_id": str(number), "unit": "ü", "event": "e"}, RecordScope(), 1_800_000_000)


def held(folder: Path) -> list[str]:
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
    return [json.loads(line)["event_id"] for line in lines]


def test_records_are_there_when_write_returns(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path / "new" / "folder")
    sink.write([record(1), record(2)])
    assert held(tmp_path / "new" / "folder") == ["1", "2"]
    sink.close()


def test_files_are_rotated(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path, rotate_bytes=1000)
    for number in range(12):
        sink.write([record(number)])
    sink.close()
    assert len(list(tmp_path.glob("*.jsonl"))) > 2
    assert sorted(held(tmp_path), key=int) == [str(number) for number in range(12)]


def test_threads_share_one_sink(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path)

    def write(first: int) -> None:
        for number in range(first, first + 50):
            sink.write([record(number)])

    threads = [Thread(target=write, args=(n * 50,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    assert sorted(map(int, held(tmp_path))) == list(range(200))


def test_a_torn_end_is_cut_off_and_a_living_writers_file_is_left_alone(tmp_path: Path) -> None:
    living = JsonlSink(tmp_path)
    living.write([record(1)])
    (tmp_path / "dead.jsonl").write_bytes(json.dumps(record(2)).encode() + b'\n{"type":"tra')
    (only,) = [path for path in tmp_path.glob("*.jsonl") if path.name != "dead.jsonl"]
    with only.open("ab") as file:
        file.write(b'{"half')
    assert heal(tmp_path) == 1
    assert (tmp_path / "dead.jsonl").read_bytes().endswith(b"}\n")
    assert only.read_bytes().endswith(b'{"half')
    living.close()


def test_a_folder_that_cannot_be_written_to_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkUnavailable):
        JsonlSink(tmp_path / "file")


def test_a_full_disk_is_reported_and_the_next_write_works(tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys; from pathlib import Path; from burgee.events.jsonl_sink import JsonlSink\n"
        "from burgee.errors import SinkUnavailable; from burgee.events.records import RecordScope as Some, accept\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "r = lambda n: accept({'type': 'track', 'event_id': str(n), 'unit': 'u', 'event': 'e'}, Some(), 1.8e9)\n"
        "sink = JsonlSink(Path(sys.argv[1])); sink.write([r(1)])\n"
        "soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))\n"
        "try: sink.write([r(n) for n in range(2, 50)])\n"
        "except SinkUnavailable: print('unavailable')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))\n"
        "sink.write([r(99)])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ran.stdout == "unavailable\n"
    heal(tmp_path)
    assert {"1", "99"} <= set(held(tmp_path))


INGEST = """
import sys
from pathlib import Path
from burgee.events.records import RecordScope, accept
from burgee.events.jsonl_sink import JsonlSink
sink, n = JsonlSink(Path(sys.argv[1]), rotate_bytes=200_000), int(sys.argv[2])
while True:
    raw = [{"type": "track", "event_id": str(n + i), "unit": "u", "event": "e"} for i in range(20)]
    sink.write([accept(one, RecordScope(), 1.8e9) for one in raw])
    n += 20
    print(n, flush=True)
"""


def test_killed_while_it_writes_it_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """`kill -9` at a random moment, again and again; BURGEE_KILLS says how often."""
    acknowledged: set[int] = set()
    for kill in range(KILLS):
        first = kill * 1_000_000
        writer = subprocess.Popen(
            [sys.executable, "-c", INGEST, str(tmp_path), str(first)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        last = int(writer.stdout.readline())
        time.sleep(0.003 * (kill % 17))
        writer.send_signal(signal.SIGKILL)
        rest = [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        writer.stdout.close()
        writer.wait()
        acknowledged |= set(range(first, int(rest[-1]) if rest else last))
    heal(tmp_path)
    found = [int(one) for one in held(tmp_path)]
    assert len(found) == len(set(found))
    assert acknowledged <= set(found)
    assert len(acknowledged) >= 20 * KILLS
