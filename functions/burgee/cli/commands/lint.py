"""`burgee lint`: reports every problem of flag files, for people, scripts, SARIF and GitHub."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.options import FLAGS, FailOn, Json
from burgee.cli.render import output
from burgee.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.findings import Finding
    from burgee.flagfile.source import Source


class LintFormat(StrEnum):
    """The format of problems."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(lint)


def lint(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="PATH", exists=True, dir_okay=False, help="Flag files; default flags.yaml."),
    ] = None,
    form: Annotated[LintFormat, typer.Option("--format", help="Output format.")] = LintFormat.TEXT,
    fail_on: FailOn = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="The time to evaluate at, in RFC 3339; default now.")
    ] = None,
    json: Json = False,
) -> None:
    """Report every problem of flag files, and run their tests. Warnings do not fail."""
    from burgee.cli.experiment_warnings import over, undersized
    from burgee.cli.guard_warnings import undersized_guards
    from burgee.cli.options import moment
    from burgee.cli.source import examine

    codes = output.codes(fail_on)
    now = moment(at) or time.time()
    problems: list[Problem] = []
    findings: list[Finding] = []
    flags, ran, failed = 0, 0, False
    for path in paths or [_default_file()]:
        source, tests, found = examine(path)
        flags += len(source.model.flags)
        ran += tests
        found += (
            []
            if _any_error(found)
            else [
                *undersized(source),
                *undersized_guards(source),
                *over(source, now),
            ]
        )
        reported = [] if _any_error(found) else _findings(source, now)
        blocked = output.blocked(reported, codes, source)
        problems += found + [
            _placed(source, one, Severity.ERROR if one in blocked else one.severity) for one in reported
        ]
        findings += reported
        failed = failed or _any_error(found) or bool(blocked)
    if json or form is LintFormat.JSON:
        records = [output.problem_record(one) for one in problems]
        recorded = [output.finding_record(one) for one in findings]
        output.as_json({"flags": flags, "tests": ran, "problems": records, "findings": recorded})
    elif form is LintFormat.SARIF:
        from burgee.cli.render.sarif import sarif

        output.as_json(sarif(problems))
    elif form is LintFormat.GITHUB:
        for problem in problems:
            output.say(annotation(problem))
    else:
        output.problems(problems)
        if not failed:
            output.say(f"{output.counted(flags, 'flag')}, {output.counted(ran, 'test')}: no problems")
    raise typer.Exit(int(failed))


def _findings(source: Source, now: float) -> list[Finding]:
    """The findings of all environments, each once."""
    from burgee.cli.git.history import edited
    from burgee.flagfile.compile import compile_source
    from burgee.flagfile.grammar import Review
    from burgee.review.file_findings import History, hygiene

    history = History(edited(source), (source.model.review or Review()).stale_after_days)
    found: dict[tuple[str, str | None, str], Finding] = {}
    environments: list[str | None] = [*source.model.environments] or [None]
    for environment in environments:
        for one in hygiene(compile_source(source, environment), now, history):
            found.setdefault((one.code, one.flag, one.message), one)
    return list(found.values())


def _placed(source: Source, one: Finding, severity: Severity) -> Problem:
    """A finding as a problem at its flag's place."""
    from burgee.model import Place

    known = one.flag is not None and ("flags", one.flag) in source.homes
    place = source.place("flags", one.flag, key=True) if known and one.flag else Place(str(source.path), 1, 1)
    return Problem(place, str(one.code), one.message, "; ".join(one.details) or None, severity)


def annotation(problem: Problem) -> str:
    """A problem as a command that GitHub shows at its line."""
    kind = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}[problem.severity]
    place = problem.place
    hint = f" ({problem.hint})" if problem.hint else ""
    where = f"file={_escaped(place.file)},line={place.line},col={place.column},title={_escaped(problem.code)}"
    message = (problem.message + hint).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"::{kind} {where}::{message}"


def _escaped(value: str) -> str:
    for mark, code in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A"), (":", "%3A"), (",", "%2C")):
        value = value.replace(mark, code)
    return value


def _any_error(found: Sequence[Problem]) -> bool:
    return any(problem.severity is Severity.ERROR for problem in found)


def _default_file() -> Path:
    path = Path(FLAGS)
    if not path.is_file():
        raise typer.BadParameter("there is no flags.yaml here; name a file", param_hint="PATH")
    return path
