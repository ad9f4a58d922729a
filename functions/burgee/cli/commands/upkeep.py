"""The commands for upkeep: formatting, future changes, and flags that can be removed."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.commands.usage import UsageEvents
from burgee.cli.completion import complete_flags
from burgee.cli.options import FLAGS, Environment, File, FlagName, Json, unknown_flag
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, on_store

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from burgee.review.code_references import Pattern, Reference

At = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="The time to evaluate at, in RFC 3339; default now.")
]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (fmt, stale, refs, simulate, timeline):
        app.command()(command)


def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", exists=True, dir_okay=False, help="Flag files; default flags.yaml."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if a file would change.")
    ] = False,
) -> None:
    """Format flag files and their includes: order, quotes and spacing; comments are kept."""
    from burgee.cli.options import default_file
    from burgee.files import write_file
    from burgee.flagfile.formatter import format_file

    changed: dict[Path, str] = {}
    for path in paths or [default_file()]:
        formatted_files = format_file(path)
        changed |= {file: made for file, (text, made) in formatted_files.items() if made != text}
    for file, made in changed.items():
        if not check:
            write_file(file, made.encode())
        output.say(f"{file}: {'would be formatted' if check else 'formatted'}")
    raise typer.Exit(int(check and bool(changed)))


@on_store
def stale(
    where: StoreOptions,
    days: Annotated[
        int, typer.Option(min=0, help="Days of one unchanged answer, or unasked for, before a flag counts as stale.")
    ] = 30,
    at: At = None,
    events: UsageEvents = None,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Propose to remove settled flags that no code names and nothing asks for."),
    ] = False,
    code: Annotated[
        list[Path] | None,
        typer.Option("--code", metavar="PATH", exists=True, help="Files and folders with code; default here."),
    ] = None,
    ignore_bulk: Annotated[
        bool, typer.Option("--ignore-bulk", help="Also remove what is asked for only together with all flags.")
    ] = False,
    json: Json = False,
) -> None:
    """List the flags that can be removed, by Git's history and usage. Exits with 1 if there are any."""
    from burgee.cli.git.flag_history import versions
    from burgee.cli.options import moment, require_file
    from burgee.cli.removing import settled_by_environment, unsettled
    from burgee.cli.source import releasable
    from burgee.cli.usage import usage_since
    from burgee.review.stale import Stale
    from burgee.review.stale import stale as ready

    require_file(where.flags)
    for option, given, needed in (
        ("--at", at is not None, False),
        ("--json", json, False),
        ("--code", bool(code), True),
        ("--ignore-bulk", ignore_bulk, True),
    ):
        if given and remove is not needed:
            message = "it needs --remove" if needed else "not with --remove, which makes proposals now"
            raise typer.BadParameter(message, param_hint=option)
    if remove:
        _propose_removals(where, days, events, code or [Path()], ignore_bulk=ignore_bulk)
        return
    source, snapshot = releasable(where.flags, where.environment)
    now = moment(at) or time.time()
    found = ready(versions(where.flags, where.environment, now), now, days)
    if source.model.environments and any(one.code == "settled" for one in found):
        by_environment = settled_by_environment(where.flags, source, now, days)
        for index, one in enumerate(found):
            why = unsettled(by_environment, one.flag, days) if one.code == "settled" else None
            if why is not None:
                found[index] = one._replace(message=f"{one.message}; not yet: {why}")
    report = usage_since(where, snapshot, 0, days * 86_400.0 + 3_600.0, events)
    message = f"nothing has asked for it for {days} days: remove it, or mark it permanent"
    found += [
        Stale(name, "unasked", message)
        for name, flag in source.model.flags.items()
        if report.is_unasked(name, days) and not flag.permanent
    ]
    if json:
        output.as_json([{"flag": one.flag, "code": one.code, "message": one.message} for one in found])
    else:
        for one in found:
            output.say(f"{one.flag}: {one.code}: {one.message}")
        if not found:
            output.say("no flag can be removed")
    raise typer.Exit(int(bool(found)))


def _propose_removals(
    where: StoreOptions, days: int, events: str | None, code: list[Path], *, ignore_bulk: bool
) -> None:
    """Proposes to remove each settled flag that is proven to be unused, and says why others stay."""
    from burgee.cli.removing import Settlement, unsettled
    from burgee.cli.source import overlay, releasable
    from burgee.cli.stale import named_in, usage_everywhere
    from burgee.cli.stores import act_on, opened
    from burgee.errors import Refused
    from burgee.releases.proposals import ENDED, Edit, create, listed

    source, _ = releasable(where.flags, where.environment)
    act = act_on(where, "proposal.create", "")
    settlement = Settlement.of(where, source, act.now, days)
    named, usage = named_in(code, source), usage_everywhere(where, source, days, events)
    with opened(where) as store:
        waiting = {one.edit.flag: one for one in listed(store, act.now) if one.edit.absent and one.state not in ENDED}
    for flag in settlement.settled:
        if flag in waiting:
            output.say(f"{flag}: proposed already, as {waiting[flag].id}")
            continue
        try:
            named.require_none_of(flag)
            asked = usage.proof(flag, ignore_bulk=ignore_bulk)
            lines = [
                *settlement.proof(flag).lines,
                f"- **Usage**: {asked}.",
                "- **Code**: no file names it.",
            ]
            with opened(where) as store:
                made = create(store, Edit(flag, absent=True), "", act._replace(reason="\n".join(lines)))
        except Refused as error:
            output.say(f"{flag}: stays: {error}")
        else:
            output.say(f"{flag}: {made.id}: {made.title}")
    here = settlement.found.get(overlay(source, where.environment), {})
    for flag in here:
        if flag not in settlement.settled:
            output.say(f"{flag}: stays: {unsettled(settlement.found, flag, days)}")
    if not settlement.settled and not here:
        every = " in every environment" if source.model.environments else ""
        output.say(f"no flag has given everyone one answer{every} for {days} days")


def refs(
    path: Annotated[Path, typer.Argument(exists=True, help="A file, or a folder with code.")],
    flags: File = Path(FLAGS),
    json: Json = False,
) -> None:
    """List where code names each flag. Exits with 1 if code evaluates a flag that does not exist."""

    from burgee.cli.stale import named_in
    from burgee.flagfile.source import Source

    source = Source(flags)
    known = source.model.flags
    found, patterns = named_in([path], source)
    required = {entry.flag for flag in known.values() for entry in flag.requires or ()}
    perhaps = {name for name in known for one in patterns if re.fullmatch(one.expression, name)}
    unnamed = [name for name in known if name not in {one.flag for one in found} | required | perhaps]
    unknown = [one for one in found if one.flag not in known]
    if json:
        output.as_json(
            {
                "flags": {name: [_place(one) for one in found if one.flag == name] for name in known},
                "unnamed": unnamed,
                "unknown": [{"name": one.flag, **_place(one)} for one in unknown],
                "patterns": [{"expression": one.expression, **_place(one)} for one in patterns],
            }
        )
    else:
        _tell_refs(found, known, unnamed, patterns)
    raise typer.Exit(int(bool(unknown)))


def _place(one: Reference | Pattern) -> dict[str, str | int]:
    return {"file": one.file, "line": one.line, "column": one.column}


def _tell_refs(
    found: Sequence[Reference],
    known: Collection[str],
    unnamed: Sequence[str],
    patterns: Sequence[Pattern],
) -> None:
    for name in known:
        places = [one for one in found if one.flag == name]
        if places:
            output.say(name)
        for one in places:
            output.say(f"  {one.file}:{one.line}:{one.column}")
    for name in unnamed:
        output.say(f"{name}: no code names it")
    for pattern in patterns:
        output.say(
            f"{pattern.file}:{pattern.line}:{pattern.column}: a name is built at run time: {pattern.expression}"
        )
    for one in found:
        if one.flag not in known:
            output.tell(f"{one.file}:{one.line}:{one.column}: there is no flag {one.flag!r}", typer.colors.RED)


def simulate(
    flag: FlagName,
    flags: File = Path(FLAGS),
    env: Environment = None,
    at: At = None,
    svg: Annotated[
        Path | None, typer.Option(metavar="OUT", dir_okay=False, help="Write a chart to a file, as SVG.")
    ] = None,
    json: Json = False,
) -> None:
    """Compute the share of users who get each variant of a flag, region by region, without sampling."""
    from burgee.cli.options import moment
    from burgee.diff import simulate as simulated
    from burgee.diff.wording import percent
    from burgee.files import write_file
    from burgee.flagfile.compile import compile_file
    from burgee.times import format_time

    snapshot = compile_file(flags, env)
    if flag not in snapshot["flags"]:
        raise unknown_flag(flag, snapshot["flags"])
    now = moment(at) or time.time()
    made = simulated.simulate(snapshot, flag, now)
    title = f"{flag}{f' in {env}' if env else ''} at {format_time(int(now))}"
    if svg is not None:
        write_file(svg, simulated.svg(made, title, simulated.palette(made)).encode())
    if json:
        rows = [
            {
                "when": row.who,
                "context": dict(row.context),
                "percent": {variant: float(share * 100) for variant, share in row.shares.items()},
            }
            for row in made.rows
        ]
        output.as_json({"flag": flag, "sample": made.sample, "regions": rows, "users": dict(made.users)})
        return
    output.say(title)
    width = max((len(row.who) for row in made.rows), default=0)
    for row in made.rows:
        shares_text = ", ".join(f"{variant} {percent(share)}" for variant, share in row.shares.items())
        output.say(f"  {row.who:{width}}  {shares_text}")
    for user, variant in made.users.items():
        output.say(f"  {user}, by name: {variant}")
    if made.sample:
        output.tell(f"not exact: {made.sample}", typer.colors.YELLOW)


def timeline(
    flag: Annotated[
        str | None,
        typer.Argument(metavar="[FLAG]", help="Only this flag; default all.", autocompletion=complete_flags),
    ] = None,
    flags: File = Path(FLAGS),
    env: Environment = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="The start; default now.")] = None,
    json: Json = False,
) -> None:
    """List future changes of flags and the users that they move: schedules, ramps, expiries."""
    from burgee.cli.options import moment
    from burgee.diff.timeline import coming
    from burgee.flagfile.compile import compile_file
    from burgee.times import format_time

    snapshot = compile_file(flags, env)
    if flag is not None and flag not in snapshot["flags"]:
        raise unknown_flag(flag, snapshot["flags"])
    since = moment(at)
    found = coming(snapshot, snapshot["flags"] if flag is None else [flag], time.time() if since is None else since)
    if json:
        output.as_json([{**one._asdict(), "at": format_time(one.at)} for one in found])
        return
    for one in found:
        output.say(f"{format_time(one.at)}  {one.flag}: {one.what}")
        for line in one.moves:
            output.say(f"    {line}")
    if not found:
        output.say("no future changes")
