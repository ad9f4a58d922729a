"""The results of `burgee diff` by environment, as input for its formats."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from burgee.cli.render import output
from burgee.diff.records import flag_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from burgee.diff.flag_effect import FlagEffect
    from burgee.diff.population import Population
    from burgee.diff.renames import Rename
    from burgee.findings import Finding
    from burgee.review.file_findings import Size

FORMAT = 1


@dataclass(frozen=True, slots=True)
class DiffReport:
    """Effects, findings, the sizes of both releases, renamed flags, and the counted contexts, if any.

    `environments` are those with the same results; empty for the flags without an environment. `causes` are those of
    flags that change through their dependencies.
    """

    effects: Sequence[FlagEffect]
    findings: Sequence[Finding]
    sizes: tuple[Size, Size]
    renames: Sequence[Rename] = ()
    population: Population | None = None
    environments: Sequence[str] = ()
    causes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def changed(self, flag: str) -> str:
        """The number of counted contexts that change, as a clause; empty if none were counted."""
        return "" if self.population is None else self.population.clause(flag)

    @property
    def is_empty(self) -> bool:
        """Whether there is no change and no finding."""
        return not self.effects and not self.findings


@dataclass(frozen=True, slots=True)
class Comparison:
    """The reports of all compared environments, and notes on the two sides."""

    reports: Sequence[DiffReport]
    notes: Sequence[str] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is no change in any environment."""
        return all(report.is_empty for report in self.reports)


def grouped(reports: Iterable[tuple[str | None, DiffReport]]) -> list[DiffReport]:
    """One report for environments with the same results, those without any change last.

    The flags without an environment have their own report only if they change differently from every environment.
    """
    alike: dict[str, tuple[DiffReport, list[str]]] = {}
    for environment, report in reports:
        key = json.dumps({**record(report), "sizes": None}, sort_keys=True)
        names = alike.setdefault(key, (report, []))[1]
        names += [] if environment is None else [environment]
    found = [replace(report, environments=tuple(names)) for report, names in alike.values()]
    shown = [report for report in found if report.environments or not report.is_empty]
    return sorted(shown or found, key=lambda report: report.is_empty)


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON (see infra/diff.schema.json); several environments are a list."""
    if len(comparison.reports) == 1 and len(comparison.reports[0].environments) < 2:
        return {"format": FORMAT, **record(comparison.reports[0])}
    return {"format": FORMAT, "environments": [record(report) for report in comparison.reports]}


def record(report: DiffReport) -> dict[str, Any]:
    """A report as JSON; percentages are of a region's users."""
    counted = report.population
    return {
        "environment_names": list(report.environments),
        "flags": flag_records(report.effects, None if counted is None else counted.percent_of),
        "findings": [output.finding_record(one) for one in report.findings],
        "sizes": {
            name: {"bytes": size.json, "stored_bytes": size.stored, "dollars_a_month": round(size.monthly, 6)}
            for name, size in zip(("before", "after"), report.sizes, strict=True)
        },
        "contexts": None if counted is None else counted.record(),
    }
