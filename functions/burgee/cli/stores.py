"""Opens the store of a command: the embedded one beside the flag file, or a DynamoDB table."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from burgee.cli.options import (
    FLAGS,
    Endpoint,
    Environment,
    Project,
    StateOption,
    StoreFile,
    Table,
    duration,
    require_file,
    with_options,
)
from burgee.cli.render import output
from burgee.errors import Refused, StoreUnavailable
from burgee.stores import Tenant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from burgee.cli.options import Options
    from burgee.serving.serving import Served
    from burgee.stores import Store
    from burgee.stores.audit import AuditContext


class StoreOptions(NamedTuple):
    """The store's options from the command line."""

    flags: Path
    environment: str | None
    state: Path | None = None
    table: str | None = None
    endpoint_url: str | None = None
    project: str = "default"

    def arguments(self) -> list[str]:
        """The options as command-line arguments, without those that have their defaults."""
        given = {
            "--flags": None if self.flags == Path(FLAGS) else str(self.flags),
            "--env": self.environment,
            "--state": None if self.state is None else str(self.state),
            "--table": self.table,
            "--endpoint-url": self.endpoint_url,
            "--project": None if self.project == "default" else self.project,
        }
        return [word for name, value in given.items() if value is not None for word in (name, value)]


def on_store(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the store's options to a command, and passes them as its argument `where`."""
    return with_options(command, "where", StoreOptions, _OPTIONS)


_OPTIONS: Options = {
    "flags": (StoreFile, Path(FLAGS)),
    "environment": (Environment, None),
    "state": (StateOption, None),
    "table": (Table, None),
    "endpoint_url": (Endpoint, None),
    "project": (Project, "default"),
}


def described(where: StoreOptions) -> str:
    """The project, environment and store that a command works on, for its answer."""
    environment = f"environment {where.environment}" if where.environment else "no environment"
    store = f"table {where.table}" if where.table else str(where.state or default_state(where.flags))
    return f"project {where.project}, {environment}, {store}"


def act_on(where: StoreOptions, action: str, reason: str, expires_in: str | None = None) -> AuditContext:
    """The author, action and reason of a command that changes a store, for the audit log.

    A usage error if the environment to change is unclear, or is not in the file.
    """
    from burgee.cli.git.origin import whoami
    from burgee.releases.guarding import person
    from burgee.stores.audit import AuditContext
    from burgee.times import format_time

    require_environment(where)
    now = time.time()
    until = None if expires_in is None else format_time(now + duration(expires_in, "--expires-in"))
    author = person(whoami(where.flags.resolve().parent))
    return AuditContext(action, author, reason, now, until, source="command line")


def write_through(
    where: StoreOptions, action: str, reason: str, change: Callable[[Store, AuditContext], object], done: str
) -> None:
    """Makes one change of the store, and says that it is done."""
    act = act_on(where, action, reason)
    with opened(where) as store:
        change(store, act)
    output.say(f"{done} ({described(where)})")


def require_environment(where: StoreOptions) -> None:
    """A usage error if the file has environments, and none of them or an unknown one is named."""
    if not where.flags.is_file():
        return
    from burgee.flagfile.source import Source
    from burgee.flagfile.suggestions import near

    source = Source(where.flags)
    names, named = source.model.environments, where.environment
    said = ""
    if named is None:
        if not source.documents:
            said = f"{where.flags} cannot be read; name the environment to change, `default` for none"
        elif names and not _serves_no_environment(where):
            listed = ", ".join(names)
            said = f"{where.flags} has environments; name the one to change: {listed}, or `default` for none of them"
    elif names and named not in {*names, Tenant().environment}:
        said = f"{where.flags} has no environment {named!r} ({near(named, names) or 'it has ' + ', '.join(names)})"
    if said:
        raise typer.BadParameter(said, param_hint="--env")


def _serves_no_environment(where: StoreOptions) -> bool:
    """Whether the embedded store is that of a `burgee serve` without --env."""
    if where.table is not None:
        return False
    with opened(where) as store:
        return store.pointer().version > 0


def live_rulesets(where: StoreOptions) -> Served:
    """The flags that the store serves now, including overrides. Raises Refused if nothing is live."""
    from burgee.serving.serving import Serving

    with opened(where) as store:
        serving = Serving(store)
        serving.refresh()
    error, served = serving.status().error, serving.served()
    if error is not None:
        raise StoreUnavailable(error)
    if not served.version:
        raise Refused("no-release", f"no release is live ({described(where)}): `burgee apply` creates one")
    return served


@contextmanager
def opened(where: StoreOptions) -> Iterator[Store]:
    """The store, closed at the end of the block."""
    store = store_of(where)
    try:
        yield store
    finally:
        store.close()


def store_of(where: StoreOptions) -> Store:
    """The store, for as long as the process lives."""
    tenant = Tenant(where.project, where.environment or "default")
    if where.table is None:
        if where.endpoint_url is not None:
            raise typer.BadParameter("it needs a --table", param_hint="--endpoint-url")
        from burgee.stores.sqlite import SqliteStore

        return SqliteStore(where.state or default_state(require_file(where.flags)), tenant)
    if where.state is not None:
        raise typer.BadParameter("give --state or --table, not both", param_hint="--table")
    from burgee.stores.dynamodb import DynamoDbStore

    store = DynamoDbStore(where.table, tenant, endpoint_url=where.endpoint_url)
    if where.endpoint_url is not None:
        store.create_table()
    return store


def default_state(flags: Path) -> Path:
    """The store beside a flag file, in a folder with its own .gitignore."""
    from burgee.files import write_file

    folder = default_state_path(flags).parent
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_file(ignore, b"*\n")
    return default_state_path(flags)


def default_state_path(flags: Path) -> Path:
    """Where the store beside a flag file is, or would be."""
    return flags.parent / ".burgee" / "state.sqlite"
