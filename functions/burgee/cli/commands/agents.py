"""`burgee mcp`: flags for agents, who may read, propose, and with their own key kill."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burgee.cli.options import require_file
from burgee.cli.stores import StoreOptions, on_store, opened, require_environment

if TYPE_CHECKING:
    from burgee.agents.tools import Tools

KEY = "BURGEE_KEY"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(mcp)


@on_store
def mcp(
    where: StoreOptions,
    http: Annotated[
        bool, typer.Option("--http", help="Serve over HTTP; every request needs a key. Default: standard input.")
    ] = False,
    host: Annotated[str, typer.Option(help="The address for --http.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port for --http.")] = 8001,
) -> None:
    """Serve flags to agents by the Model Context Protocol: read-only, but for proposals and kills with BURGEE_KEY."""
    from burgee.errors import Refused

    if where.table is None and where.state is None:
        require_file(where.flags)
    require_environment(where)
    try:
        from burgee.agents.server import http_app, server
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "mcp":
            raise
        raise Refused("no-agents", "mcp is missing: install burgee[agents]") from error
    if http:
        import uvicorn

        from burgee.cli.render import output

        output.tell(f"Serving agents on http://{host}:{port}/mcp; every request needs a key. Ctrl-C stops.")
        uvicorn.run(http_app(tools(where), host), host=host, port=port, log_level="warning")
    else:
        server(tools(where), os.environ.get(KEY) or None).run()


def tools(where: StoreOptions) -> Tools:
    """The tools over a command's store and flag file."""
    from burgee.agents.tools import Tools

    return Tools(partial(opened, where), partial(_stale, where), partial(_experiments, where), partial(_usage, where))


def _usage(where: StoreOptions, since: str, flag: str | None) -> dict[str, Any]:
    from burgee.cli.usage import reported_usage
    from burgee.errors import Refused
    from burgee.events.usage_report import as_record
    from burgee.times import parse_duration

    try:
        seconds = parse_duration(since)
    except ValueError as error:
        raise Refused("invalid-request", f"since: {error}") from error
    return as_record(reported_usage(where, seconds), flag)


def _require_repository(where: StoreOptions) -> None:
    """Raises Refused where the server runs beside a table alone."""
    from burgee.errors import Refused

    if not where.flags.is_file():
        raise Refused(
            "no-repository", f"there is no {where.flags} where the server runs: this tool reads the repository"
        )


def _stale(where: StoreOptions) -> list[dict[str, Any]]:
    from burgee.cli.git.flag_history import versions
    from burgee.cli.source import releasable
    from burgee.review.stale import stale

    _require_repository(where)
    releasable(where.flags, where.environment)
    now = time.time()
    return [one._asdict() for one in stale(versions(where.flags, where.environment, now), now, 30)]


def _experiments(where: StoreOptions) -> list[dict[str, Any]]:
    from burgee.cli.experiments import Chosen, analysing, summaries

    _require_repository(where)
    with analysing():
        return [found for found, _report in summaries(where.flags, Chosen(segments=False))]
