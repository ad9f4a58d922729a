"""Reads contexts from a file, JSONL or Parquet, in batches: contexts, or exposures that contain one."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from burgee.errors import Refused
from burgee.evaluation.context import TARGETING_KEY
from burgee.numeric import misfit, parse_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from burgee.diff.population import Population

BATCH_ROWS = 16_384
BATCH_BYTES = 16 * 1024 * 1024
MAX_LINE_BYTES = 1024 * 1024
UNITS = (TARGETING_KEY, "targeting_key", "unit", "user_id", "userId", "user")
NESTED = ("context", "attributes")


def count(path: Path, population: Population, progress: Callable[[int], None]) -> None:
    """Counts every context of a file; `progress` receives the bytes, or Parquet's rows, that were read."""
    if path.suffix in {".parquet", ".pq"}:
        _parquet(path, population, progress)
    else:
        for rows, size in _rows(path):
            population.add_contexts([_context(row) for row in rows])
            progress(size)


def length(path: Path) -> int:
    """The total of `progress`."""
    if path.suffix in {".parquet", ".pq"}:
        rows: int = _open(path).metadata.num_rows
        return rows
    return path.stat().st_size


def contexts(
    path: Path | None, faulty: Callable[[Refused], None] | None = None
) -> Iterator[tuple[list[Mapping[str, Any]], int]]:
    """Batches of contexts of a file or, without one, of standard input; with the bytes or Parquet's rows of each.

    `faulty` receives each line that is not a context, which is left out; without it, the first one is raised.
    """
    if path is not None and path.suffix in {".parquet", ".pq"}:
        for batch in _open(path).iter_batches(batch_size=BATCH_ROWS):
            yield [context_of(_plain(row)) for row in batch.to_pylist()], batch.num_rows
    else:
        for rows, size in _rows(path, faulty):
            yield [_context(row) for row in rows], size


def answered(
    path: Path | None, faulty: Callable[[Refused], None] | None = None
) -> Iterator[tuple[list[tuple[Mapping[str, Any], Mapping[str, Any]]], int]]:
    """Batches of contexts with a system's answers, from JSONL: `{"context": {...}, "answers": {"flag": value}}`.

    `faulty` is as in `contexts`.
    """
    number = 0
    for rows, size in _rows(path, faulty):
        found: list[tuple[Mapping[str, Any], Mapping[str, Any]]] = []
        for row in rows:
            number += 1
            answers = row.get("answers")
            if isinstance(row.get("context"), dict) and isinstance(answers, dict):
                found.append((context_of({"context": row["context"]}), answers))
            else:
                shape = '{"context": {...}, "answers": {"flag": value}}'
                _fail(faulty, f"{_named(path)}: record {number} is not {shape}")
        yield found, size


def _fail(faulty: Callable[[Refused], None] | None, text: str) -> None:
    """Passes a fault on, or raises it."""
    fault = Refused("bad-context", text)
    if faulty is None:
        raise fault
    faulty(fault)


def _rows(
    path: Path | None, faulty: Callable[[Refused], None] | None = None
) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Batches of JSONL, bounded in bytes too. Of a stream each line is one, so that it is followed."""
    with nullcontext(sys.stdin.buffer) if path is None else path.open("rb") as file:
        lines: list[bytes] = []
        start, size, rows = 1, 0, BATCH_ROWS if path is not None else 1
        while line := file.readline(MAX_LINE_BYTES + 1):
            lines.append(line)
            size += len(line)
            if len(line) > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = file.readline(MAX_LINE_BYTES)
                    size += len(line)
            if len(lines) >= rows or size >= BATCH_BYTES:
                yield _decoded(path, start, lines, faulty), size
                start, lines, size = start + len(lines), [], 0
        if lines:
            yield _decoded(path, start, lines, faulty), size


def _named(path: Path | None) -> str:
    return "standard input" if path is None else str(path)


def _decoded(
    path: Path | None, start: int, lines: Sequence[bytes], faulty: Callable[[Refused], None] | None
) -> list[dict[str, Any]]:
    """Parses all lines at once, or one by one if that fails, to find the faulty one."""
    rows: list[dict[str, Any]] = []
    plain = max(map(len, lines)) <= MAX_LINE_BYTES
    try:
        if plain:
            rows = parse_json(b"[" + b",".join(lines) + b"]")
            plain = len(rows) == len(lines) and set(map(type, rows)) == {dict} and misfit(rows) is None
    except (ValueError, RecursionError):
        plain = False
    if not plain:
        rows = []
        for number, line in enumerate(lines, start):
            try:
                rows += [_line(path, number, line)] if line.strip() else []
            except Refused as fault:
                _fail(faulty, str(fault))
    return rows


def _context(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return row if TARGETING_KEY in row and "context" not in row else context_of(row)


def _line(path: Path | None, number: int, line: bytes) -> dict[str, Any]:
    if len(line) > MAX_LINE_BYTES:
        raise Refused("bad-context", f"{_named(path)}:{number}: a line over {MAX_LINE_BYTES:,} bytes")
    try:
        row = parse_json(line)
    except (ValueError, RecursionError) as error:
        raise Refused("bad-context", f"{_named(path)}:{number}: this is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise Refused("bad-context", f"{_named(path)}:{number}: a context is an object, not {line[:40]!r}")
    wrong = misfit(row)
    if wrong is not None:
        raise Refused(
            "bad-context", f"{_named(path)}:{number}: the number at {'.'.join(map(str, wrong))} is out of range"
        )
    return row


def context_of(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The context of a record: its own keys, those of a nested context, and its unit."""
    context = dict(row)
    for name in NESTED:
        inner = context.get(name)
        if isinstance(inner, str):
            try:
                inner = parse_json(inner)
            except ValueError:
                continue
        if isinstance(inner, dict):
            del context[name]
            context |= inner
    unit = next((context[name] for name in UNITS if context.get(name) is not None), None)
    return context if unit is None else {**context, TARGETING_KEY: unit}


def _parquet(path: Path, population: Population, progress: Callable[[int], None]) -> None:
    file = _open(path)
    present = set(file.schema_arrow.names)
    paths = population.paths()
    nested = bool(present.intersection(NESTED)) or any("." in one for one in paths)
    wanted = None if nested else [name for name in present if name in {*paths, *UNITS}]
    unit = next((name for name in UNITS if name in present), None)
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
        if nested:
            population.add_contexts([context_of(_plain(row)) for row in batch.to_pylist()])
        else:
            columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
            if unit is not None:
                columns[TARGETING_KEY] = columns[unit]
            empty = [None] * batch.num_rows
            population.add({one: columns.get(one, empty) for one in paths}, batch.num_rows)
        progress(batch.num_rows)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with its maps, which Arrow returns as lists of pairs, as mappings."""
    return {
        name: dict(value) if name in NESTED and isinstance(value, list) else value
        for name, value in row.items()
        if value is not None
    }


def _open(path: Path) -> Any:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise Refused("no-pyarrow", "reading Parquet needs pyarrow: pip install 'burgee[analysis]'") from error
    try:
        return ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise Refused("bad-context", f"{path}: this is not Parquet: {error}") from error
