"""`burgee usage`: which flags are asked for, by which key, and what they answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.completion import complete_flags
from burgee.cli.options import Json, duration, unknown_flag
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, described, on_store

if TYPE_CHECKING:
    from burgee.events.usage_report import Asked, FlagUsage, UsageReport

UsageEvents = Annotated[
    str | None,
    typer.Option(
        "--events", metavar="PLACE", help="Folder of records, or s3://BUCKET/PREFIX; default what `serve` recorded."
    ),
]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(usage)


@on_store
def usage(
    where: StoreOptions,
    flag: Annotated[
        str | None,
        typer.Argument(
            metavar="[FLAG]", help="Only this flag, in detail; default all.", autocompletion=complete_flags
        ),
    ] = None,
    since: Annotated[str, typer.Option("--since", metavar="TIME", help="The period, such as 24h or 30d.")] = "7d",
    events: UsageEvents = None,
    json: Json = False,
) -> None:
    """Show which flags are asked for, by which key, and what they answer; and names that no flag has."""
    from burgee.cli.usage import reported_usage
    from burgee.events.usage_report import as_record

    report = reported_usage(where, duration(since, "--since"), events)
    if flag is not None and flag not in report.flags and flag not in report.unknown:
        raise unknown_flag(flag, report.flags)
    if json:
        output.as_json(as_record(report, flag))
        return
    if flag is not None:
        _tell_one(report.flags.get(flag) or report.unknown[flag], report)
    elif report.coverage.first is not None:  # else "not asked for" would be said of flags that perhaps are
        _tell_all(report)
    if report.coverage.lost:
        output.tell(f"{output.counted(report.coverage.lost, 'answer')} could not be counted", typer.colors.YELLOW)
    if report.coverage.first is None:
        output.tell(
            f"nothing is recorded yet ({described(where)}); what is asked for shows within a minute",
            typer.colors.YELLOW,
        )
    elif report.coverage.first > report.since:
        output.tell(f"recorded only since {_day(report.coverage.first)}", typer.colors.YELLOW)


def _tell_all(report: UsageReport) -> None:
    from burgee.events.usage_report import warning

    width = max((len(name) for name in (*report.flags, *report.unknown)), default=0)
    for used in report.flags.values():
        output.say(f"{used.flag:{width}}  {_words(used, report.until)}")
        for check in used.checks:
            if check.deviates:
                output.say(f"{'':{width}}  {warning(check)}")
    for used in report.unknown.values():
        keys = ", ".join(key or "no key" for key in used.keys)
        what = output.counted(used.answers, "time")
        output.say(
            f"{used.flag:{width}}  no such flag: asked for {what}, {_ago(used.named.last, report.until)}, by {keys}"
        )


def _words(used: FlagUsage, now: float) -> str:
    if not used.answers:
        return "not asked for"
    named = f"{used.named.answers:,} by name, {_ago(used.named.last, now)}" if used.named.answers else "never by name"
    bulk = f", {used.bulk.answers:,} in bulk" if used.bulk.answers else ""
    return f"{named}{bulk}: {_shares(used)}"


def _shares(used: FlagUsage) -> str:
    ordered = sorted(used.variants.items(), key=lambda one: -one[1])
    return ", ".join(f"{variant or 'no value'} {number / used.answers:.1%}" for variant, number in ordered)


def _tell_one(used: FlagUsage, report: UsageReport) -> None:
    from burgee.events.usage_report import warning

    output.say(f"{used.flag} since {_day(report.since)}")
    for name, asked in (("by name", used.named), ("in bulk", used.bulk)):
        output.say(f"  {name}: {_asked(asked, report.until)}")
    for title, found in (("variant", used.variants), ("reason", used.reasons)):
        for name, number in sorted(found.items(), key=lambda one: -one[1]):
            output.say(f"  {title} {name or 'none'}: {number:,} ({number / used.answers:.1%})")
    for key, asked in sorted(used.keys.items(), key=lambda one: -one[1].answers):
        output.say(f"  key {output.one_line(key) or 'none'}: {_asked(asked, report.until)}")
    for release, number in sorted(used.releases.items()):
        output.say(f"  release {release}: {number:,}")
    for check in used.checks:
        if check.deviates:
            output.say(f"  {warning(check)}")
        else:
            shares = ", ".join(
                f"{one} {check.observed[one]:.1%} of {share:.1%}" for one, share in check.expected.items()
            )
            p_value = "too few records to test" if check.p_value is None else f"p = {check.p_value:.2g}"
            output.say(f"  {check.rule}: {shares} expected, {p_value}")


def _asked(asked: Asked, now: float) -> str:
    return f"{asked.answers:,}, {_ago(asked.last, now)}" if asked.answers else "never"


def _ago(moment: float | None, now: float) -> str:
    if moment is None:
        return "never"
    seconds = max(now - moment, 0)
    number, unit = (seconds / 86_400, "day") if seconds >= 172_800 else (seconds / 3_600, "hour")
    return "within the last hour" if seconds < 3_600 else f"{output.counted(int(number), unit)} ago"


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(moment)) + " UTC"
