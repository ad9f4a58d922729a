"""Observed shares of variants beside those that a definition gives: if they differ, a client sends a wrong context.

Pearson's chi-squared test, at the level that experiments use for their sample ratio. Answers are not users: one user
is answered many times, and a record of usage cannot say so. So a record, which is one process and about a minute,
counts as one observation, however many answers are in it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.decisions import Default, Rule, decisions
from burgee.evaluation.definition import SHARE
from burgee.evaluation.hash_strategies import OURS
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from burgee.events.usage_database import Answered
    from burgee.model import Definition, Snapshot

ALPHA = 0.001
"""A smaller p-value is a deviation, as for the sample ratio of an experiment."""
LEAST = 5.0
"""The least expected observations of a variant for which chi-squared is close enough (Cochran 1952)."""


class ShareCheck(NamedTuple):
    """The shares of a flag's variants by one rule, as answered and as defined.

    `p_value` is that of the difference; None with too few records.
    """

    rule: str
    answers: int
    records: int
    observed: Mapping[str, float]
    expected: Mapping[str, float]
    p_value: float | None

    @property
    def deviates(self) -> bool:
        """Whether the difference is not by chance."""
        return self.p_value is not None and self.p_value < ALPHA


def share_checks(flag: str, snapshot: Snapshot, release: int, answered: Iterable[Answered]) -> list[ShareCheck]:
    """The checks of a flag's rules, of what its release answered without an override."""
    definition = snapshot["flags"].get(flag)
    expected = {} if definition is None else expected_shares(flag, definition, snapshot)
    counts: dict[str, dict[str, int]] = {rule: {} for rule in expected}
    records = dict.fromkeys(expected, 0)
    for one in answered:
        cell = one.cell
        if cell.release != release or cell.override or cell.reason != "SPLIT" or cell.rule not in expected:
            continue
        rule = cell.rule
        if cell.variant in expected[rule]:
            counts[rule][cell.variant] = counts[rule].get(cell.variant, 0) + one.answers
            records[rule] = max(records[rule], one.records)
    return [_check(rule, counts[rule], records[rule], expected[rule]) for rule in expected if counts[rule]]


def _check(rule: str, counts: Mapping[str, int], records: int, expected: Mapping[str, float]) -> ShareCheck:
    answers = sum(counts.values())
    observed = {variant: counts.get(variant, 0) / answers for variant in expected}
    observations = min(records, answers)
    p_value = None
    if observations * min(expected.values()) >= LEAST:
        statistic = observations * sum((observed[one] - share) ** 2 / share for one, share in expected.items())
        p_value = chi_squared(statistic, len(expected) - 1)
    return ShareCheck(rule, answers, records, observed, expected, p_value)


def chi_squared(statistic: float, freedom: int) -> float:
    """The probability of a larger value of a chi-squared variable; Abramowitz and Stegun 26.4.4 and 26.4.5."""
    half = statistic / 2
    if freedom % 2:
        term, total = math.sqrt(2 * statistic / math.pi), math.erfc(math.sqrt(half))
        for odd in range(1, freedom - 1, 2):
            total += term * math.exp(-half)
            term *= statistic / (odd + 2)
        return min(total, 1.0)
    term, total = 1.0, 0.0
    for even in range(freedom // 2):
        total += term
        term *= half / (even + 1)
    return min(total * math.exp(-half), 1.0)


def expected_shares(flag: str, definition: Definition, snapshot: Snapshot) -> dict[str, dict[str, float]]:
    """The shares of variants by rule, where the definition alone says them.

    A schedule or a ramp moves them. Prerequisites, shares of segments, and several shares on one hash line choose
    among users, so that those who are left are not divided as the definition says.
    """
    rules = definition.get("rules", ())
    if definition.get("schedule") or any("requires" in one for one in (definition, *rules)):
        return {}
    if any(SHARE in str(one) for one in snapshot.get("segments", {}).values()):
        return {}
    try:
        steps = [one for one in decisions(flag, definition, lambda _: 0.0).steps if isinstance(one, Rule | Default)]
    except (KeyError, TypeError, ValueError, AttributeError):  # a flag that cannot be served
        return {}
    dividing = [step for step in steps if step.share is not None or step.serve.arms is not None]
    off = definition.get("off_variant", None if "variants" in definition else "off")
    found = {}
    for step in dividing:
        shares = _shares(step, off, alone=len(dividing) == 1)
        if len(shares) > 1:
            found[step.name if isinstance(step, Rule) else "default"] = shares
    return found


def _shares(step: Rule | Default, off: str | None, *, alone: bool) -> dict[str, float]:
    arms, share = step.serve.arms, step.share
    found: dict[str, float] = {}
    if arms is not None:
        if None in step.serve.variants or not (alone or arms.strategy is OURS):
            return {}
        below = 0
        for variant, bound in zip(step.serve.variants, arms.bounds, strict=True):
            found[str(variant)] = found.get(str(variant), 0.0) + (bound - below) / arms.size
            below = bound
    elif isinstance(step, Default) and share is not None and alone and off is not None:
        high: Any = share.high
        if isinstance(high, int) and 0 < high < BUCKETS:
            (variant,) = step.serve.variants
            found = {str(variant): high / BUCKETS, off: 1 - high / BUCKETS} if variant != off else {}
    return {variant: one for variant, one in found.items() if one > 0}
