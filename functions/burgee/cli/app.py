"""The commands. Each parses, makes one call and reports; exit 0 for yes, 1 for no, 2 for misuse."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from burgee.cli import app_care, app_deploy, app_diff, app_experiment, app_import, app_keys, app_lint, output
from burgee.cli.options import FLAGS, Environment, File, Json
from burgee.cli.stores import Where, on_store
from burgee.errors import BurgeeError, FlagFileError
from burgee.version import __version__

app = typer.Typer(
    name="burgee",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 yes, 1 no (a problem, a failed test, a refusal), 2 misuse of the command line.",
)
app_diff.register(app)
app_lint.register(app)
app_deploy.register(app)
app_care.register(app)
app_experiment.register(app)
app_keys.register(app)
app_import.register(app)


def run() -> None:
    """Runs the command line; what Burgee raises on purpose is told without a traceback."""
    try:
        app()
    except FlagFileError as error:
        output.problems(error.problems)
        sys.exit(1)
    except BurgeeError as error:
        output.tell(f"burgee: {error}", typer.colors.RED)
        sys.exit(1)


def _version(value: bool) -> None:
    if value:
        output.say(f"burgee {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Feature flags and A/B tests as reviewed code."""


@app.command()
@on_store
def serve(
    where: Where,
    host: Annotated[str, typer.Option(help="The address; any but loopback needs an API key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    require_keys: Annotated[bool, typer.Option("--require-keys", help="Ask for keys on loopback too.")] = False,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer, one for each CPU.")] = 1,
) -> None:
    """Serve a flag file, its overrides and its API on this machine; follow the file as it changes."""
    from burgee.cli.serve import serve as start

    start(host, port, where, require_keys=require_keys, workers=workers)


@app.command("test")
def run_tests(
    path: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="The flag file; default flags.yaml.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the tests that flags carry, in every environment."""
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


@app.command("eval")
def evaluate(
    flag: Annotated[str, typer.Argument(help="The flag's name.")],
    user: Annotated[str | None, typer.Option(metavar="ID", help="The targeting key.")] = None,
    attributes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="An attribute; a number, true, false or text. Repeatable."),
    ] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="When, in RFC 3339; default now.")] = None,
    explain: Annotated[bool, typer.Option(help="Show each step, with its bucket and threshold.")] = False,
    json: Json = False,
    flags: File = Path(FLAGS),
    env: Environment = None,
) -> None:
    """Tell what a user gets of a flag, straight from the file."""
    import burgee

    told = burgee.load(flags, env).explain(flag, _context(user, attributes or []), moment(at))
    steps = told["steps"] if explain else told.pop("steps")
    if json:
        output.as_json(told)
    elif told["error_code"]:
        output.tell(f"{told['error_code']}: {told['error_message']}", typer.colors.RED)
    else:
        output.say(_sentence(told))
        for step in steps if explain else ():
            output.say(_step(step))
    raise typer.Exit(int(told["error_code"] is not None))


@app.command()
def schema() -> None:
    """Print the JSON Schema of flags.yaml, for editors."""
    from burgee.grammar import json_schema

    output.as_json(json_schema())


@app.command()
def bundle(
    out: Annotated[Path, typer.Argument(dir_okay=False, help="Where to write the release.")],
    flags: File = Path(FLAGS),
    env: Environment = None,
) -> None:
    """Compile a flag file into the release that a Lambda package carries."""
    from burgee.bundle import Bundle, dump_bundle
    from burgee.cli.origin import origin
    from burgee.cli.source import releasable

    _, snapshot = releasable(flags, env)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(dump_bundle(Bundle(snapshot, origin(flags.resolve().parent))))
    output.say(f"{out}: {output.counted(len(snapshot['flags']), 'flag')}")


def default_file() -> Path:
    """The file that a command works on where none is named."""
    path = Path(FLAGS)
    if not path.is_file():
        raise typer.BadParameter(f"there is no {FLAGS} in this folder; name the file")
    return path


def _context(user: str | None, attributes: list[str]) -> dict[str, Any]:
    from burgee.web.evaluation import literal

    context: dict[str, Any] = {}
    for text in attributes:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--set")
        context[name] = literal(value)
    if user is not None:
        context["targetingKey"] = user
    return context


def moment(at: str | None, option: str = "--at") -> float | None:
    """Epoch seconds of an option, None where it is not given."""
    from burgee.times import parse_time

    try:
        return None if at is None else parse_time(at)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def _sentence(told: dict[str, Any]) -> str:
    import json

    variant = "no variant: the caller's default" if told["variant"] is None else f"variant {told['variant']}"
    return f"{told['flag']} = {json.dumps(told['value'], ensure_ascii=False)}  ({variant}, {told['reason']})"


def _step(step: dict[str, Any]) -> str:
    line = f"  {step['step']}: {step['verdict']}"
    if "bucket" in step:
        low = f"{step['from']:,} <= " if step["from"] else ""
        line += f"  [bucket of {step['hashed']!r} is {step['bucket']:,}; inside: {low}bucket < {step['below']:,}]"
    if "arm" in step:
        line += f"  [arm of {step['arm_hashed']!r} at {step['arm']:,} of {step['arms']:,}]"
    return line
