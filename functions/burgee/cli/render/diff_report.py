"""All that `burgee diff` found out, as its formats take it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from burgee.cli.render import output
from burgee.diff.records import flag_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.diff.effect import FlagEffect
    from burgee.diff.population import Population
    from burgee.findings import Finding
    from burgee.review.file_findings import Size

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Report:
    """Effects, findings, the sizes of both releases, and the contexts that were counted, if any were."""

    effects: Sequence[FlagEffect]
    findings: Sequence[Finding]
    sizes: tuple[Size, Size]
    population: Population | None = None

    def changed(self, flag: str) -> str:
        """How many of the counted contexts change, as a clause; empty where none were counted."""
        return "" if self.population is None else self.population.clause(flag)


def record(report: Report) -> dict[str, Any]:
    """The report as JSON, as infra/diff.schema.json says; percentages are of a region's users."""
    counted = report.population
    return {
        "format": FORMAT,
        "flags": flag_records(report.effects, None if counted is None else counted.percent_of),
        "findings": [output.finding_record(one) for one in report.findings],
        "sizes": {
            name: {"bytes": size.json, "stored_bytes": size.stored, "dollars_a_month": round(size.monthly, 6)}
            for name, size in zip(("before", "after"), report.sizes, strict=True)
        },
        "contexts": None if counted is None else counted.record(),
    }
