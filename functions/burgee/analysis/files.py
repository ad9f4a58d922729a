"""A team's files in DuckDB: Parquet, CSV and JSON, here or in a bucket, with lines that cannot be read counted.

Parquet has types and is read in place. CSV and JSON are parsed once, so that one bad line or value is never fatal.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from burgee.analysis.dialects import identifier, path_list
from burgee.analysis.keeping import Original, download
from burgee.events.athena import literal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from burgee.analysis.keeping import Keeper

LONGEST_LINE = 32_000_000
MOST_COLUMNS = 1000
"""Maximum columns of JSON; the most frequent ones count."""
KINDS = (".parquet", ".csv", ".jsonl", ".json")
_CSV = f"header=true, strict_mode=false, max_line_size={LONGEST_LINE}, buffer_size={2 * LONGEST_LINE}"
_JSON = f"maximum_object_size={LONGEST_LINE}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is read of files: `texts` are columns that stay as they are written, if the files have no types.

    No file is read whose path has a value of the key `day` before `since`, as in `day=2027-01-31/`.
    """

    texts: Collection[str] = ()
    day: str | None = None
    since: str = ""


EVERYTHING = Wanted()


@dataclass(slots=True)
class Files:
    """Reads files into a connection. `keeper` gives what keeps the copies of a bucket's files, by their address."""

    connection: Any
    keeper: Callable[[str], Keeper]
    lost: dict[str, int] = field(default_factory=dict)
    """The lines that are not rows, by the name of their table."""

    def table(self, name: str, into: str, wanted: Wanted) -> Any:
        """The rows of the files that a name with `*` means, under the name of a table."""
        found = self._found(name, wanted)
        if not found:
            raise FileNotFoundError(f"there is no file {name}")
        packed = ", compression='gzip'" if name.endswith(".gz") else ""
        kind = kind_of(name)
        if kind == ".parquet":
            read = f"read_parquet({path_list(found)}, union_by_name=true)"
            self.connection.raw_sql(f"CREATE TEMP VIEW {into} AS SELECT * FROM {read}")
            return self.connection.table(into)
        if kind == ".csv":
            lost = read_csv(self.connection, found, wanted.texts, into, packed)
        else:
            lost = read_json(self.connection, found, into, packed, lines=kind == ".jsonl")
        if lost:
            self.lost[name] = lost
        return self.connection.table(into)

    def _found(self, name: str, wanted: Wanted) -> list[str]:
        if "://" in name:
            return copied(name, self.keeper(name), wanted)
        found = self.connection.con.execute("SELECT file FROM glob(?)", [name]).fetchall()
        return [row[0] for row in found if not _too_early(row[0], wanted)]


def kind_of(name: str) -> str | None:
    """The kind of files that a table's name means; None for a table of a database."""
    return next((one for one in KINDS if name.endswith((one, f"{one}.gz"))), None)


def read_csv(connection: Any, files: Sequence[str], texts: Collection[str], into: str, packed: str = "") -> int:
    """Parses CSV files into a table; returns the number of lines that are not rows of it.

    Each file has columns of its own, with types from all of its lines. Columns in `texts` are strings, so that no ID
    loses a zero or a digit, and no time its zone.
    """
    lost = f"rejects_table={literal(f'{into}_lost')}, rejects_scan={literal(f'{into}_scans')}, rejects_limit=0"
    wanted, parts = {name.lower() for name in texts}, []
    for one in files:
        file = f"read_csv({path_list([one])}, {_CSV}{packed}"
        header = connection.con.execute(f"DESCRIBE SELECT * FROM {file}, all_varchar=true, ignore_errors=true)")
        kept = [row[0] for row in header.fetchall() if row[0].lower() in wanted]
        types = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in kept)
        typed = f", types={{{types}}}" if kept else ""
        parts.append(f"SELECT * FROM {file}, sample_size=-1, store_rejects=true, {lost}{typed})")
    connection.raw_sql(f"CREATE TEMP TABLE {into} AS {' UNION ALL BY NAME '.join(parts)}")
    return _number(connection, f"SELECT count(DISTINCT (scan_id, file_id, line)) FROM {into}_lost")


def read_json(connection: Any, files: Sequence[str], into: str, packed: str = "", *, lines: bool) -> int:
    """Parses JSON objects into a table of strings; returns the number of lines, or elements, that are not objects."""
    read = f"read_ndjson_objects({path_list(files)}, {_JSON}{packed}, ignore_errors=true)"
    if not lines:
        read = f"read_json_objects({path_list(files)}, {_JSON}{packed}, format='auto')"
    connection.raw_sql(f"CREATE TEMP TABLE {into}_raw AS SELECT * FROM {read}")
    objects = f"(SELECT * FROM {into}_raw WHERE json_type(json) = 'OBJECT')"
    # DuckDB ignores the case of names, so the most frequent spelling counts.
    each = f"SELECT key, count(*) AS n FROM (SELECT unnest(json_keys(json)) AS key FROM {objects}) GROUP BY key"
    named = f"SELECT arg_max(key, n), sum(n) AS n FROM ({each}) GROUP BY lower(key)"
    found = connection.con.execute(f"{named} ORDER BY n DESC, 1 LIMIT {MOST_COLUMNS}").fetchall()
    names = sorted(row[0] for row in found) or ["nothing"]
    structure = literal(json.dumps(dict.fromkeys(names, "VARCHAR"), ensure_ascii=False))
    # Keys of a path are columns too.
    keys = [name for name in connection.table(f"{into}_raw").columns if name != "json" and name not in names]
    columns = ", ".join([*(f"r.{identifier(name)}" for name in names), *map(identifier, keys)])
    rows = f"SELECT *, from_json(json, {structure}) AS r FROM {objects}"
    connection.raw_sql(f"CREATE TEMP TABLE {into} AS SELECT {columns} FROM ({rows})")
    whole, kept = (_number(connection, f"SELECT count(*) FROM {name}") for name in (f"{into}_raw", into))
    connection.raw_sql(f"DROP TABLE {into}_raw")
    return whole - kept


def copied(address: str, keeper: Keeper, wanted: Wanted) -> list[str]:
    """Copies of the files of a bucket that an address with `*` means, with AWS's usual environment."""
    from pyarrow import fs

    parts = address.split("/")
    fixed = next((i for i, part in enumerate(parts) if re.search(r"[*?\[]", part)), len(parts))
    system, root = fs.FileSystem.from_uri(quote("/".join(parts[:fixed]), safe="/:"))
    rest = "/".join(parts[fixed:])
    found = system.get_file_info(fs.FileSelector(root, recursive=True) if rest else [root])
    # A pattern cannot be long, as the grammar bounds it.
    named = re.compile(re.escape(f"{root}/" if rest else root) + _pattern(rest))
    files = [one for one in found if one.type == fs.FileType.File and named.fullmatch(one.path)]
    originals = [Original(one.path, f"{one.size} {one.mtime_ns}", _keys(one.path)) for one in files]
    keeper.forget_others(originals)
    sizes = {one.path: one.size for one in files}
    paths = keeper.copies(
        [one for one in originals if not _too_early(one.address, wanted)],
        lambda one, part: download(system, one.address, part),
        lambda one, path: path.stat().st_size == sizes[one.address],
    )
    return [str(path) for path in paths]


def _pattern(glob: str) -> str:
    """A regular expression of a pattern: `**` is any number of folders, `*` and `?` are within a name."""
    one = {"**/": "(?:[^/]+/)*", "*": "[^/]*", "?": "[^/]"}
    return "".join(one.get(part) or re.escape(part) for part in re.split(r"(\*\*/|\*|\?)", glob))


def _keys(path: str) -> str:
    """The keys in a path, such as `day=2027-01-31`, which are columns; without what could leave a folder."""
    return "/".join(part for part in path.split("/") if re.fullmatch(r"\w+=[\w.%+ -]*", part))


def _too_early(path: str, wanted: Wanted) -> bool:
    days = [part.partition("=")[2] for part in path.split("/") if part.startswith(f"{wanted.day}=")]
    return bool(days) and days[-1] < wanted.since


def _number(connection: Any, sql: str) -> int:
    return int(connection.con.execute(sql).fetchall()[0][0])
