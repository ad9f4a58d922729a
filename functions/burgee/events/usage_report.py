"""What usage says of each flag: how often, when last and by which key it was asked for, and what it answered."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from burgee.events.usage_shares import ALPHA, share_checks
from burgee.records import NamedTuple
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from burgee.events.usage_database import Answered, Coverage
    from burgee.events.usage_shares import ShareCheck
    from burgee.model import Snapshot

DAY = 86_400


class Asked(NamedTuple):
    """How often something was asked for, and when last (epoch seconds, to a minute); None if never."""

    answers: int = 0
    last: float | None = None

    def plus(self, one: Answered) -> Asked:
        """With some more answers."""
        return Asked(self.answers + one.answers, max(one.last, self.last or one.last))


class FlagUsage(NamedTuple):
    """The usage of a flag, or of a name without a flag.

    `named` is what asked for it by its name, `bulk` what was answered to callers that ask for all flags.
    """

    flag: str
    named: Asked
    bulk: Asked
    variants: Mapping[str, int]
    reasons: Mapping[str, int]
    keys: Mapping[str, Asked]
    releases: Mapping[int, int]
    checks: Sequence[ShareCheck] = ()

    @property
    def answers(self) -> int:
        """All of them."""
        return self.named.answers + self.bulk.answers


class UsageReport(NamedTuple):
    """The usage of a period (epoch seconds): flags in the order of the release, and names that no flag has."""

    since: float
    until: float
    coverage: Coverage
    flags: Mapping[str, FlagUsage]
    unknown: Mapping[str, FlagUsage]

    def goes_back(self, days: int) -> bool:
        """Whether the period and the records in it cover so many days until now."""
        start = self.until - days * DAY
        return (
            self.coverage.first is not None and self.coverage.first <= start >= self.since and self.coverage.days > 0
        )

    def is_unasked(self, flag: str, days: int) -> bool:
        """Whether records go back so many days, and nothing in them asked for a flag, by name or with all."""
        used = self.flags.get(flag)
        return self.goes_back(days) and not (used is not None and used.answers)


def usage_of(flag: str, answered: Iterable[Answered], checks: Sequence[ShareCheck] = ()) -> FlagUsage:
    """The usage of one flag."""
    named = bulk = Asked()
    variants: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    releases: Counter[int] = Counter()
    keys: defaultdict[str, Asked] = defaultdict(Asked)
    for one in answered:
        cell = one.cell
        if cell.bulk:
            bulk = bulk.plus(one)
        else:
            named = named.plus(one)
        variants[cell.variant or ""] += one.answers
        reasons[cell.error or cell.reason] += one.answers
        releases[cell.release] += one.answers
        keys[cell.key] = keys[cell.key].plus(one)
    return FlagUsage(flag, named, bulk, variants, reasons, keys, releases, checks)


def usage_report(
    answered: Iterable[Answered], coverage: Coverage, period: tuple[float, float], snapshot: Snapshot, release: int
) -> UsageReport:
    """The usage of the flags of a release, and of names that it does not have."""
    by_flag: defaultdict[str, list[Answered]] = defaultdict(list)
    for one in answered:
        by_flag[one.cell.flag].append(one)
    flags = {
        flag: usage_of(flag, by_flag[flag], share_checks(flag, snapshot, release, by_flag[flag]))
        for flag in snapshot["flags"]
    }
    unknown = {name: usage_of(name, found) for name, found in sorted(by_flag.items()) if name not in flags}
    return UsageReport(*period, coverage, flags, unknown)


def as_record(report: UsageReport, flag: str | None = None) -> dict[str, Any]:
    """A report as JSON values, or that of one flag or name."""
    first = report.coverage.first
    chosen = [
        [flag_record(one) for name, one in found.items() if flag in {None, name}]
        for found in (report.flags, report.unknown)
    ]
    return {
        "since": format_time(report.since),
        "until": format_time(report.until),
        "recorded_since": None if first is None else format_time(first),
        "days": report.coverage.days,
        "lost": report.coverage.lost,
        "flags": chosen[0],
        "unknown": chosen[1],
    }


def flag_record(used: FlagUsage) -> dict[str, Any]:
    """The usage of one flag as JSON values."""
    return {
        "flag": used.flag,
        "by_name": _asked(used.named),
        "bulk": _asked(used.bulk),
        "variants": dict(used.variants),
        "reasons": dict(used.reasons),
        "keys": [{"key": key, **_asked(asked)} for key, asked in used.keys.items()],
        "releases": [{"release": release, "answers": number} for release, number in used.releases.items()],
        "shares": [
            {
                "rule": one.rule,
                "answers": one.answers,
                "records": one.records,
                "observed": dict(one.observed),
                "expected": dict(one.expected),
                "p_value": one.p_value,
                "deviates": one.deviates,
            }
            for one in used.checks
        ],
    }


def _asked(asked: Asked) -> dict[str, Any]:
    return {"answers": asked.answers, "last": None if asked.last is None else format_time(asked.last)}


def warning(check: ShareCheck) -> str:
    """A deviation in words."""
    parts = (f"{one} {check.observed[one]:.1%} of {share:.1%}" for one, share in check.expected.items())
    return (
        f"{check.rule}: {', '.join(parts)} expected (p = {check.p_value:.2g} < {ALPHA:g}): "
        "a client sends a wrong context, or a few users ask for most"
    )
