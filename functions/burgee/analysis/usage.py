"""Usage from files: a folder of JSON lines and Parquet, or the bucket that template.yaml's stream writes."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from burgee.errors import Refused
from burgee.events.usage_database import DAY, HOUR, Answered, Coverage
from burgee.events.usage_records import TOPIC, USAGE, counts_of
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from burgee.events.records import RecordScope
    from burgee.events.usage_records import Cell

COLUMNS = ["event_id", "time", "project", "environment", "since", "lost", "answers"]


def read_usage(place: Path | str, scope: RecordScope, since: float) -> tuple[list[Answered], Coverage]:
    """What a project and environment answered since a time (epoch seconds), and how far the records go back.

    Raises Refused if the place cannot be read.
    """
    records, first = _of_bucket(place, since) if isinstance(place, str) else _of_folder(place)
    seen: set[str] = set()
    sums: defaultdict[Cell, list[float]] = defaultdict(lambda: [0, 0.0, 0])
    days: set[int] = set()
    lost = 0
    for record in records:
        if (record["project"], record["environment"]) != (scope.project, scope.environment):
            continue
        at = record["time"] / 1000
        first = min(at, at if first is None else first)
        if record["event_id"] in seen or at < int(since) // HOUR * HOUR:
            continue
        seen.add(record["event_id"])
        days.add(int(at) // DAY)
        lost += int(record["lost"])
        for cell, number in counts_of(record):
            found = sums[cell]
            found[:] = found[0] + number, max(found[1], at), found[2] + 1
    answered = [Answered(cell, int(number), last, int(several)) for cell, (number, last, several) in sums.items()]
    return answered, Coverage(first, len(days), lost)


def _of_folder(folder: Path) -> tuple[Iterator[dict[str, Any]], float | None]:
    from burgee.analysis.tables import files_in

    found = files_in(folder)
    if not found:
        raise Refused("no-records", f"there are no .jsonl or .parquet files in {folder}")
    return _records(found), None


def _records(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    for path in paths:
        if path.suffix == ".parquet":
            if f"topic={TOPIC}" in path.parts:
                yield from parquet.ParquetFile(path).read(COLUMNS).to_pylist()
            continue
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if f'"type":"{USAGE}"' in line and line.endswith("\n"):
                    yield json.loads(line)


def _of_bucket(url: str, since: float) -> tuple[Iterator[dict[str, Any]], float | None]:
    """The records of the days since a time, and the first day that has any, by the names of folders."""
    import pyarrow as pa
    from pyarrow import fs

    try:
        system, path = fs.FileSystem.from_uri(url)
        chosen = fs.FileSelector(f"{path}/topic={TOPIC}", recursive=True, allow_not_found=True)
        files = [one.path for one in system.get_file_info(chosen) if one.path.endswith(".parquet")]
    except (OSError, pa.ArrowException) as error:
        raise Refused("no-records", f"{url} cannot be read: {error}") from error
    if not files:
        raise Refused("no-records", f"there are no Parquet files of usage in {url}")
    # The day in a path is when a record arrived, which may be the day after it was written.
    earliest = time.strftime("%Y-%m-%d", time.gmtime(since))
    wanted = [one for one in files if _day(one) >= earliest]
    return _of_objects(system, wanted), parse_time(f"{min(map(_day, files))}T00:00:00Z")


def _of_objects(system: Any, paths: Iterable[str]) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    for path in paths:
        with system.open_input_file(path) as file:
            yield from parquet.ParquetFile(file).read(COLUMNS).to_pylist()


def _day(path: str) -> str:
    return path.partition("/day=")[2].partition("/")[0]
