"""Runs statements in Athena, with a client that the caller makes: starts them, waits, and reads their rows."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from burgee.errors import Refused
from burgee.records import NamedTuple, dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

PATIENCE = 1800.0
"""Maximum seconds of a query."""
RETRIES: Any = {"mode": "standard", "total_max_attempts": 4}
"""For a client: botocore's default mode does not ask again after Athena's TooManyRequestsException."""

FAILED = {"FAILED", "CANCELLED"}
ENDED = {"SUCCEEDED", *FAILED}


class ResultSet(NamedTuple):
    """The columns of a result, each with the service's type name, and the rows."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[Sequence[Any]]

    def mappings(self) -> list[dict[str, Any]]:
        """The rows by column."""
        names = [name for name, _kind in self.columns]
        return [dict(zip(names, row, strict=True)) for row in self.rows]


@dataclass(frozen=True, slots=True)
class Athena:
    """Athena in a workgroup; `client` is botocore's. A cell is a string, or None."""

    client: Any
    workgroup: str
    database: str | None = None
    sleep: Callable[[float], None] = time.sleep

    def ask(self, sql: str) -> ResultSet:
        """The result of a query, as in `ask_all`."""
        return self.ask_all([sql])[0]

    def ask_all(self, statements: Sequence[str], patience: float = PATIENCE) -> list[ResultSet]:
        """The results of queries that run at once. Raises Refused if one fails or all together take longer than
        `patience` seconds; those that still run are stopped.
        """
        started: list[str] = []
        done: set[str] = set()
        try:
            started.extend(self._start(sql) for sql in statements)
            self._wait(started, done, patience)
        except BaseException:
            for identity in started:
                if identity not in done:
                    with suppress(Exception):  # the others are stopped all the same, and what was wrong is raised
                        self.client.stop_query_execution(QueryExecutionId=identity)
            raise
        return [self._result(identity) for identity in started]

    def _wait(self, started: Sequence[str], done: set[str], patience: float) -> None:
        """Until all have ended; puts those that have into `done`."""
        for _pause in pauses(self.sleep, lambda: None, patience):
            for identity in [one for one in started if one not in done]:
                status = self.client.get_query_execution(QueryExecutionId=identity)["QueryExecution"]["Status"]
                if status["State"] in ENDED:
                    done.add(identity)
                if status["State"] in FAILED:
                    raise refused("Athena", status.get("StateChangeReason", status["State"]))
            if len(done) == len(started):
                return

    def _start(self, sql: str) -> str:
        context = {} if self.database is None else {"Database": self.database}
        asked = {"QueryString": sql, "WorkGroup": self.workgroup, "QueryExecutionContext": context}
        return str(self.client.start_query_execution(**asked)["QueryExecutionId"])

    def _result(self, identity: str) -> ResultSet:
        columns: list[tuple[str, str]] = []
        rows: list[list[Any]] = []
        for page in self.client.get_paginator("get_query_results").paginate(QueryExecutionId=identity):
            columns = [(one["Name"], one["Type"]) for one in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
            rows += [[cell.get("VarCharValue") for cell in row["Data"]] for row in page["ResultSet"]["Rows"]]
        return ResultSet(columns, rows[1:])  # the first row has the names


def pauses(sleep: Callable[[float], None], stop: Callable[[], object], patience: float = PATIENCE) -> Iterator[float]:
    """Polls with growing pauses; when they add up to `patience` seconds, calls `stop` and raises Refused."""
    waited, pause = 0.0, 0.2
    while waited < patience:
        yield pause
        sleep(pause)
        waited, pause = waited + pause, min(pause * 1.5, 5.0)
    stop()
    raise refused("It", f"gave no answer within {patience:,.0f} seconds")


def refused(who: str, reason: object) -> Refused:
    """A service's refusal, in one line."""
    said = str(reason).strip().partition("\n")[0][:300]
    return Refused("query-refused", f"{who}: {said}")


def literal(text: str) -> str:
    """A string in SQL."""
    return "'" + text.replace("'", "''") + "'"
