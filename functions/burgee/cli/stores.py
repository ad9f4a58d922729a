"""The store that a command works on: the embedded one beside the flag file, or a DynamoDB table."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from burgee.cli.options import FLAGS, Endpoint, Environment, Project, State, StoreFile, Table, require_file
from burgee.stores import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from burgee.stores import Store


class Where(NamedTuple):
    """What the command line said about it."""

    flags: Path
    environment: str | None
    state: Path | None = None
    table: str | None = None
    endpoint_url: str | None = None
    project: str = "default"


def on_store(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command the options that say which store, and hands them over as its argument `where`."""
    signature = inspect.signature(command, eval_str=True)
    own = [one.replace(kind=one.KEYWORD_ONLY) for one in signature.parameters.values() if one.name != "where"]
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _OPTIONS.items()
    ]

    @wraps(command)
    def run(**arguments: Any) -> None:
        where = Where(**{name: arguments.pop(name) for name in _OPTIONS})
        command(where=where, **arguments)

    run.__signature__ = signature.replace(parameters=[*own, *options])  # type: ignore[attr-defined]  # read by Typer
    run.__annotations__ = {one.name: one.annotation for one in [*own, *options]}
    return run


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "flags": (StoreFile, Path(FLAGS)),
    "environment": (Environment, None),
    "state": (State, None),
    "table": (Table, None),
    "endpoint_url": (Endpoint, None),
    "project": (Project, "default"),
}


def described(where: Where) -> str:
    """The project, environment and store that a command works on, for its answer."""
    store = f"table {where.table}" if where.table else str(where.state or "the store beside the flag file")
    return f"{where.project}/{where.environment or 'default'} in {store}"


def require_environment_named(where: Where) -> None:
    """A usage error where a write to a table leaves open which of the file's environments it is for."""
    if where.table is None or where.environment is not None or not where.flags.is_file():
        return
    from burgee.flagfile.source import Source

    names = Source(where.flags).model.environments
    if names:
        said = f"{where.flags} has environments; name the one to change: {', '.join(names)}"
        raise typer.BadParameter(said, param_hint="--env")


@contextmanager
def opened(where: Where) -> Iterator[Store]:
    """The store, closed at the end."""
    store = store_of(where)
    try:
        yield store
    finally:
        store.close()


def store_of(where: Where) -> Store:
    """The store, for as long as the process lives."""
    tenant = Tenant(where.project, where.environment or "default")
    if where.table is None:
        if where.endpoint_url is not None:
            raise typer.BadParameter("it needs a --table", param_hint="--endpoint-url")
        from burgee.stores.sqlite import SqliteStore

        return SqliteStore(where.state or default_state(require_file(where.flags)), tenant)
    if where.state is not None:
        raise typer.BadParameter("one store at a time: --state or --table", param_hint="--table")
    from burgee.stores.dynamodb import DynamoDbStore

    store = DynamoDbStore(where.table, tenant, endpoint_url=where.endpoint_url)
    if where.endpoint_url is not None:
        store.create_table()
    return store


def default_state(flags: Path) -> Path:
    """The store beside a flag file, in a folder that Git ignores by itself."""
    folder = flags.parent / ".burgee"
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder / "state.sqlite"
