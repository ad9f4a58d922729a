"""`burgee reconcile`: opens pull requests for live overrides and for proposals."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from burgee.cli.options import Json, duration
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, on_store, opened, require_environment


class HostName(StrEnum):
    """Where pull requests are."""

    GITHUB = "github"
    GITLAB = "gitlab"
    NONE = "none"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(reconcile)


@on_store
def reconcile(
    where: StoreOptions,
    host: Annotated[
        HostName | None, typer.Option("--host", help="The Git host; default: the host whose pipeline runs.")
    ] = None,
    branch: Annotated[str, typer.Option("--branch", metavar="NAME", help="The branch that is released.")] = "main",
    remote: Annotated[str, typer.Option("--remote", metavar="NAME", help="The remote to push to.")] = "origin",
    every: Annotated[
        str | None, typer.Option(metavar="TIME", help="How often this runs, shown to users who wait for a proposal.")
    ] = None,
    temporary: Annotated[bool, typer.Option("--temporary", help="Also write overrides that expire.")] = False,
    json: Json = False,
) -> None:
    """Maintain a pull request with the live overrides, and one per proposal. Exits with 1 if a person must act."""
    from burgee.cli.git.run import git_output
    from burgee.cli.pull_requests.api import ApiError
    from burgee.cli.pull_requests.branches import Repository
    from burgee.cli.pull_requests.hosts import host_of, named_by, pushing
    from burgee.cli.pull_requests.reconcile import Reconciler, summary
    from burgee.errors import Refused

    require_environment(where)
    seconds = None if every is None else duration(every, "--every")
    path = where.flags.resolve()
    folder = next(parent for parent in path.parents if parent.is_dir())
    top = git_output(folder, "rev-parse", "--show-toplevel")
    if not top:
        raise Refused("no-repository", f"{folder} is not in a Git repository")
    inside = path.relative_to(Path(top).resolve()).as_posix()
    name = str(host) if host is not None else named_by(os.environ)
    repository = Repository(Path(top), remote, branch, pushing(name, os.environ))
    with opened(where) as store:
        reconciler = Reconciler(
            store, host_of(name, os.environ, branch), repository, inside, where.environment, time.time(), temporary
        )
        try:
            run = reconciler.run(seconds)
        except ApiError as error:
            raise Refused(
                "host-unavailable", f"{error}; results so far are kept, and the next run continues"
            ) from error
    if json:
        output.as_json(summary(run))
    else:
        for one in run.outcomes:
            note = f" ({one.note})" if one.note else ""
            output.say(f"{one.branch}: {one.did}{note}{f'  {one.address}' if one.address else ''}")
        if not run.outcomes:
            output.say("nothing to open: no live override is to be written now, and no proposal is waiting")
        for warning in run.warnings:
            output.tell(warning, typer.colors.YELLOW)
    raise typer.Exit(int(bool(run.warnings) or any(one.needs_person for one in run.outcomes)))
