"""Writes expressions as an engine's SQL."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import ibis
import sqlglot
from sqlglot import exp

from burgee.events.athena import literal
from burgee.flagfile.data_sources import EngineName

if TYPE_CHECKING:
    from collections.abc import Iterable

DIALECTS = {EngineName.REDSHIFT: "postgres"}
"""Ibis does not support Redshift: it gets rewritten PostgreSQL SQL."""


def path_list(names: Iterable[str]) -> str:
    """A list of files in DuckDB's SQL, whose names are not patterns."""
    return f"[{', '.join(literal(_named(name)) for name in names)}]"


def _named(path: str) -> str:
    # A pattern cannot have a backslash; DuckDB takes a path as it is if there is such a file and it has no `*`.
    return path if "\\" in path else re.sub(r"[\[*?]", r"[\g<0>]", path)


def identifier(name: str) -> str:
    """A quoted name in SQL, of DuckDB, PostgreSQL, Athena or Redshift."""
    return '"' + name.replace('"', '""') + '"'


def compiled(table: Any, engine: EngineName, queries: dict[str, str] | None = None) -> str:
    """An expression as an engine's SQL; `queries` are reviewed ones, by the name it uses for them."""
    dialect = str(engine)
    sql = str(ibis.to_sql(table, dialect=DIALECTS.get(engine, dialect)))
    if engine is EngineName.REDSHIFT:
        sql = redshift(sql)
    named = [
        f"{name} AS (\n{query.rstrip().rstrip(';')}\n)" for name, query in (queries or {}).items() if name in sql
    ]
    if not named:
        return sql
    first, rest = ", ".join(named), sql.removeprefix("WITH ")
    return f"WITH {first}, {rest}" if rest != sql else f"WITH {first} {sql}"


def redshift(sql: str) -> str:
    """PostgreSQL's SQL as Redshift's: without covariances, and without frames where they are not allowed."""
    tree = sqlglot.parse_one(sql, read="postgres")

    def rewritten(node: Any) -> Any:
        if isinstance(node, exp.CovarSamp):
            # cov(x, y) = (var(x + y) - var(x - y)) / 4
            one, other = node.this, node.expression
            both = [exp.func("VAR_SAMP", kind(this=exp.paren(one.copy()), expression=exp.paren(other.copy())))
                    for kind in (exp.Add, exp.Sub)]  # fmt: skip
            return exp.paren(exp.Div(this=exp.paren(exp.Sub(this=both[0], expression=both[1])),
                                     expression=exp.Literal.number("4.0")))  # fmt: skip
        if isinstance(node, exp.Window) and isinstance(node.this, exp.Lag | exp.Lead | exp.RowNumber):
            node.set("spec", None)
        return node

    return str(tree.transform(rewritten).sql(dialect="redshift", pretty=True))
