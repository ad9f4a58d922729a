"""Deletes a person's records from files: exposures, events and identities, under every ID they had."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burgee.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Forgotten:
    """The number of records removed, of files changed, and of IDs the person had."""

    records: int
    files: int
    names: int


def forget(folder: Path, unit: str) -> Forgotten:
    """Deletes all records of a unit, as written in them, from a folder and its subfolders.

    Raises Refused while a process writes to one of the files, as it would keep writing to the deleted one.
    """
    paths = sorted(path for path in folder.rglob("*") if path.suffix in {".jsonl", ".parquet"} and path.is_file())
    names = _names([pair for path in paths for pair in _identities(path)], unit)
    removed = {path: _rewritten(path, names) for path in paths}
    return Forgotten(sum(removed.values()), sum(count > 0 for count in removed.values()), len(names))


def _names(pairs: list[tuple[str, str]], unit: str) -> set[str]:
    """The unit and every ID that identities link to it, directly or through others."""
    beside: dict[str, set[str]] = {}
    for one, other in pairs:
        beside.setdefault(one, set()).add(other)
        beside.setdefault(other, set()).add(one)
    names, waiting = {unit}, [unit]
    while waiting:
        new = beside.get(waiting.pop(), set()) - names
        names |= new
        waiting += new
    return names


def _identities(path: Path) -> Iterator[tuple[str, str]]:
    if path.suffix == ".parquet":
        from pyarrow import parquet

        with _reading(path):
            if not {"unit", "known"} <= set(parquet.read_schema(path).names):
                return
            rows = parquet.read_table(path, columns=["unit", "known"]).to_pylist()
        yield from ((str(row["unit"]), str(row["known"])) for row in rows if row["unit"] and row["known"])
        return
    with path.open("rb") as file:
        for line in file:
            record = _parsed(line) if b'"identify"' in line else None
            if record is not None and isinstance(record.get("unit"), str) and isinstance(record.get("known"), str):
                yield record["unit"], record["known"]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except pa.ArrowException as error:
        message = f"{path} cannot be read, so it may have records of anyone: delete or repair it, and run this again"
        raise Refused("unreadable-records", f"{message} ({str(error).partition(chr(10))[0][:200]})") from error


def _rewritten(path: Path, names: set[str]) -> int:
    """Rewrites a file without the records of these IDs; returns how many it removed."""
    beside = path.with_name(f".{path.name}.part")
    if path.suffix == ".parquet":
        import pyarrow as pa
        from pyarrow import compute, parquet

        with _reading(path):
            table = keep = parquet.read_table(path, partitioning=None)
            for name in {"unit", "known"} & set(table.column_names):
                theirs = compute.is_in(keep[name].cast(pa.string()), pa.array(sorted(names)))
                keep = keep.filter(compute.invert(theirs))
        if keep.num_rows < table.num_rows:
            parquet.write_table(keep, beside)
            shutil.copymode(path, beside)
            beside.replace(path)
        return int(table.num_rows - keep.num_rows)
    removed = 0
    with path.open("rb") as file, beside.open("wb") as kept:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            beside.unlink()
            raise Refused(
                "records-in-use", f"a process is writing to {path.name}: stop it, and run this again"
            ) from error
        for line in file:
            if _is_of(line, names):
                removed += 1
            else:
                kept.write(line)
        kept.flush()
        os.fsync(kept.fileno())
        if removed:
            shutil.copymode(path, beside)
            beside.replace(path)
        else:
            beside.unlink()
    return removed


def _is_of(line: bytes, names: set[str]) -> bool:
    """Whether a line is a record of one of the IDs; for a torn line, whether it contains one."""
    record = _parsed(line)
    if record is None:
        return any(json.dumps(name).encode() in line for name in names)
    return any(isinstance(record.get(key), str) and record[key] in names for key in ("unit", "known"))


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
