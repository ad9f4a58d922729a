"""`burgee diff`: the effect of a change, for a terminal, a pull request or a script."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.options import FLAGS, Endpoint, FailOn, Project, StateOption, Table
from burgee.cli.render import output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.cli.compared import ComparedSides, Given
    from burgee.cli.render.diff_report import Comparison, DiffReport
    from burgee.cli.render.progress import Watch
    from burgee.cli.stores import StoreOptions
    from burgee.diff.population import Population
    from burgee.findings import Finding
    from burgee.model import Problem
    from burgee.review.change_findings import ReviewedChange


class Format(StrEnum):
    """How the effect is shown."""

    TEXT = "text"
    MARKDOWN = "markdown"
    JSON = "json"


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(diff)


def diff(
    base: Annotated[
        str, typer.Argument(metavar="BASE", help="A Git revision, a file, a directory, live:ENV or release:N.")
    ],
    head: Annotated[str | None, typer.Argument(metavar="[HEAD]", help="The same; default: the current file.")] = None,
    flags: Annotated[
        Path, typer.Option("--flags", metavar="PATH", help="The flag file, also inside a revision.")
    ] = Path(FLAGS),
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME", help="An environment; default all of the file's.", envvar="BURGEE_ENV"),
    ] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="The time to evaluate at, in RFC 3339; default now.")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TEXT,
    contexts: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Contexts to count, JSONL or Parquet."),
    ] = None,
    fail_on: FailOn = None,
    fail_on_loss: Annotated[
        bool,
        typer.Option(
            "--fail-on-loss", help="Exit with 1 if any user loses something, or if that could not be computed."
        ),
    ] = False,
    budget: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, help="Time for comparing; the rest is sampled."),
    ] = None,
    state: StateOption = None,
    table: Table = None,
    endpoint_url: Endpoint = None,
    project: Project = "default",
) -> None:
    """Show exactly who will see what change between two states of a flag file."""
    from burgee.cli.compared import compared, environment_of
    from burgee.cli.options import moment
    from burgee.cli.render.diff_report import Comparison, grouped
    from burgee.cli.render.progress import Watch, progress_line
    from burgee.cli.render.rows import without_example
    from burgee.cli.stores import StoreOptions

    live = environment_of(base) or environment_of(head)
    chosen = [*(env or ([live] if live else []))]
    where = StoreOptions(flags, live or (chosen[0] if chosen else None), state, table, endpoint_url, project)
    codes = output.codes(fail_on)
    pair = compared(base, head, where)
    if len(chosen) > 1 and (pair.base.fixed or pair.head.fixed):
        raise typer.BadParameter("a release has one environment: name only that one", param_hint="--env")
    now = moment(at) or time.time()
    watch = Watch(budget, progress_line())
    reports = [(name, _report(pair, name, where, now, contexts, watch)) for name in pair.environments(chosen)]
    watch.clear()
    comparison = Comparison(grouped(reports), pair.notes)
    _show(comparison, form)
    findings = [one for _, report in reports for one in report.findings]
    output.problems(_unexplained(pair.head, findings))
    flags_compared = [effect for _, report in reports for effect in report.effects]
    loss = fail_on_loss and any(effect.losing() or effect.sample for effect in flags_compared)
    if fail_on_loss:
        for line in dict.fromkeys(without_example(flags_compared)):
            output.tell(line)
    if pair.head.faults or loss or output.blocked(findings, codes, pair.head.source):
        raise typer.Exit(1)


def _report(
    pair: ComparedSides,
    environment: str | None,
    where: StoreOptions,
    now: float,
    contexts: Path | None,
    watch: Watch,
) -> DiffReport:
    from burgee.cli.compared import retired_names
    from burgee.cli.render.diff_report import DiffReport
    from burgee.diff.causes import causes
    from burgee.diff.effect import effects
    from burgee.review.change_findings import ReviewedChange, proofs
    from burgee.review.file_findings import size

    before, after = pair.base.snapshot(environment), pair.head.snapshot(environment)
    found = effects(before, after, now, watch.is_over, watch.begin)
    watch.begin("findings")
    change = ReviewedChange(before, after, found, now, watch.is_over)
    retired = retired_names(pair, before, after, where.flags)
    findings = [*pair.base.findings, *pair.head.findings, *proofs(change, retired)]
    counted = None if contexts is None else _counted(change, contexts)
    through = {flag: causes(before, after, flag, change.effects) for flag in change.effects}
    sizes = size(before), size(after)
    return DiffReport(found, findings, sizes, change.renames, counted, causes=through)


def _counted(change: ReviewedChange, contexts: Path) -> Population:
    """Evaluates the contexts of a file for every flag that changes, with a progress bar on a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    from burgee.cli.contexts import count, length
    from burgee.diff.population import Population

    flags = list(change.effects)
    population = Population(change.before, change.after, flags, change.now, change.world)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(contexts.name, total=length(contexts))
        count(contexts, population, lambda step: bar.advance(task, step))
    return population


def _show(comparison: Comparison, form: Format) -> None:
    if form is Format.JSON:
        from burgee.cli.render.diff_report import comparison_record

        output.as_json(comparison_record(comparison))
    elif form is Format.MARKDOWN:
        from burgee.cli.render.diff_markdown import markdown

        output.say(markdown(comparison))
    else:
        from burgee.cli.render.diff_text import text

        output.styled(text(comparison))


def _unexplained(after: Given, found: Sequence[Finding]) -> Sequence[Problem]:
    """Faults of HEAD that no finding covers."""
    covered = {one.code for one in found}
    explained = {"unknown-flag", "unknown-segment", "unknown-holdout"} if "orphaned" in covered else set()
    return [fault for fault in after.faults if fault.code not in explained]
