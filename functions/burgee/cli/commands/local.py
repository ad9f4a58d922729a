"""The commands that answer from the flag file or a store: serve, test, eval, list, schema, bundle."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burgee.cli.options import (
    FLAGS,
    Environment,
    File,
    FlagName,
    Json,
    default_file,
    moment,
    require_file,
    unknown_flag,
)
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, live_rulesets, on_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.serving.serving import Served

Live = Annotated[bool, typer.Option("--live", help="Use what is live in the store, not the file.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(serve)
    app.command("test")(run_tests)
    app.command("eval")(evaluate)
    app.command("list")(list_flags)
    app.command()(schema)
    app.command()(bundle)


@on_store
def serve(
    where: StoreOptions,
    host: Annotated[str, typer.Option(help="The address; any other than loopback needs an API key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 chooses a free one.")] = 8000,
    require_keys: Annotated[bool, typer.Option("--require-keys", help="Require keys on loopback too.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer, one for each CPU.")] = 1,
    deliver: Annotated[
        bool, typer.Option("--deliver", help="Send webhooks and write down what ends for a --table too.")
    ] = False,
    local_webhooks: Annotated[
        bool, typer.Option("--local-webhooks", help="Also send webhooks to this machine, for trying out.")
    ] = False,
) -> None:
    """Serve a flag file, its overrides and its API on this machine, and follow changes to the file."""
    from burgee.cli.serve import TaskOptions
    from burgee.cli.serve import serve as start

    tasks = TaskOptions(where.table is None or deliver, local_webhooks)
    start(host, port, where, tasks, require_keys=require_keys, workers=workers)


def run_tests(
    path: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="The flag file; default flags.yaml.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the tests of flags, in every environment."""
    from burgee.cli.source import examine
    from burgee.model import Severity

    _, ran, found = examine(path or default_file())
    failures = [problem for problem in found if problem.severity is Severity.ERROR]
    if json:
        output.as_json({"tests": ran, "failures": [output.problem_record(one) for one in failures]})
    else:
        output.problems(failures)
        if not failures:
            output.say(f"{output.counted(ran, 'test')} passed")
    raise typer.Exit(int(bool(failures)))


@on_store
def evaluate(
    where: StoreOptions,
    flag: FlagName,
    user: Annotated[str | None, typer.Option(metavar="ID", help="The targeting key.")] = None,
    attributes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="NAME=VALUE", help="An attribute; a number, true, false or string. Repeatable."
        ),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="The time to evaluate at, in RFC 3339; default now.")
    ] = None,
    explain: Annotated[bool, typer.Option(help="Show each step, with its bucket and threshold.")] = False,
    json: Json = False,
    live: Live = False,
) -> None:
    """Evaluate a flag for a user from the file or, with --live, from the store including overrides."""
    context, now = _context(user, attributes or []), moment(at)
    ruleset = _served(where, live=live).choose(context, now)
    answer = ruleset.explain(flag, context, now)
    steps = answer["steps"] if explain else answer.pop("steps")
    if json:
        output.as_json(answer)
    else:
        if answer["error_code"] == "FLAG_NOT_FOUND":
            raise unknown_flag(flag, ruleset.names(now))
        if answer["error_code"]:
            output.tell(f"{answer['error_code']}: {answer['error_message']}", typer.colors.RED)
        else:
            output.say(_sentence(answer))
        if live:
            output.say(_provenance(answer))
        for step in steps if explain else ():
            output.say(_step(step))
    raise typer.Exit(int(answer["error_code"] is not None))


@on_store
def list_flags(where: StoreOptions, live: Live = False, json: Json = False) -> None:
    """List flags of the file or, with --live, of the store including overrides."""
    ruleset = _served(where, live=live).choose({})
    found = {name: ruleset.definition(name) or {} for name in ruleset.names()}
    if json:
        output.as_json([{"flag": name, **definition} for name, definition in found.items()])
        return
    width = max(map(len, found), default=0)
    for name, definition in found.items():
        override = ruleset.override(name)
        also = f"  [override by {override.author}: {override.reason}]" if override else ""
        line = f"{name:{width}}  {_serving(definition):10} {definition.get('description') or ''}"
        output.say(f"{line.rstrip()}{'  ' if also else ''}{output.one_line(also)}")
    if not found:
        output.say("no flags")


def schema() -> None:
    """Print the JSON Schema of flags.yaml, for editors."""
    from burgee.flagfile.grammar import json_schema

    output.as_json(json_schema())


def bundle(
    out: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write the release.")],
    flags: File = Path(FLAGS),
    env: Environment = None,
) -> None:
    """Compile a flag file into the release of a Lambda package."""
    from burgee.cli.git.origin import origin
    from burgee.cli.source import releasable
    from burgee.files import write_file
    from burgee.serving.bundle import Bundle, dump_bundle

    source, snapshot = releasable(flags, env)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_file(out, dump_bundle(Bundle(snapshot, origin(flags.resolve().parent, source.digests))))
    output.say(f"{out}: {output.counted(len(snapshot['flags']), 'flag')}")


def _served(where: StoreOptions, *, live: bool) -> Served:
    import burgee
    from burgee.serving.serving import Served

    if live:
        return live_rulesets(where)
    if where.state is not None or where.table not in {None, os.environ.get("BURGEE_TABLE")}:
        raise typer.BadParameter("a store is used only with --live", param_hint="--live")
    return Served(burgee.load(require_file(where.flags), where.environment), 0, "file")


def _serving(definition: Mapping[str, Any]) -> str:
    """Whether a flag is on, and its rollout percentage if it is one number."""
    if not definition.get("status", False):
        return "off"
    share = definition.get("rollout_percentage")
    return f"on, {share:g} %" if isinstance(share, int | float) else "on"


def _provenance(answer: dict[str, Any]) -> str:
    laid = answer["override"]
    said = f", override by {laid['author']}: {laid['reason']}" if laid else ""
    return f"  release {answer['release']['version']}{output.one_line(said)}"


def _context(user: str | None, attributes: list[str]) -> dict[str, Any]:
    from burgee.evaluation.context import literal

    context: dict[str, Any] = {}
    for text in attributes:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
        try:
            context[name] = literal(value)
        except ValueError as error:
            raise typer.BadParameter(f"{name}: {error}", param_hint="--set") from error
    if user is not None:
        context["targetingKey"] = user
    return context


def _sentence(answer: dict[str, Any]) -> str:
    import json

    variant = "no variant: the caller's default" if answer["variant"] is None else f"variant {answer['variant']}"
    return f"{answer['flag']} = {json.dumps(answer['value'], ensure_ascii=False)}  ({variant}, {answer['reason']})"


def _step(step: dict[str, Any]) -> str:
    line = f"  {step['step']}: {step['verdict']}"
    if "why" in step:
        return "\n".join([line, *(f"    {reason}" for reason in step["why"])])
    if "bucket" in step:
        share = f"from {step['from']:,} to below {step['below']:,}" if step["from"] else f"below {step['below']:,}"
        inside = step["from"] <= step["bucket"] < step["below"]
        line += f"  [bucket of {step['hashed']!r} is {step['bucket']:,}, {'' if inside else 'not '}{share}]"
    if "arm" in step:
        line += f"  [arm of {step['arm_hashed']!r} at {step['arm']:,} of {step['arms']:,}]"
    return line
