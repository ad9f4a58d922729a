"""What one snapshot serves: each region of a flag with the exact share of every variant."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from burgee.diff.cases import Explorer, Scope
from burgee.diff.cells import shares
from burgee.diff.hash_lines import Dependent
from burgee.diff.world import TooMany
from burgee.evaluation.definition import rule_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.diff.cases import Case
    from burgee.diff.outcomes import Outcome
    from burgee.diff.partial_context import PartialContext, RuleMatch
    from burgee.diff.symbolic import Side
    from burgee.diff.world import World

CASES = 2_000
"""Maximum number of cases of one flag: beyond, its shares are too many to show."""


class RegionShares(NamedTuple):
    """The share of each variant (None for no value) among users who match these rules, and none before them.

    `rules` are names of rules, of other flags with the flag's name before; empty for those who match none.
    """

    rules: tuple[str, ...]
    shares: Mapping[str | None, Fraction]


def served_shares(name: str, side: Side, world: World) -> list[RegionShares] | None:
    """The regions of users not named in targets, the one that matches fewest rules last.

    Contexts without a unit are left out. None if there are too many cases, or lines that depend on each other.
    """
    family = side.family(name)
    terms = [term for one in family for term in side.terms(one)]
    named = frozenset(user for one in family for user in side.targets(one))

    def decide(context: PartialContext) -> tuple[Outcome, Outcome]:
        outcome = side.decide(name, context)
        return outcome, outcome

    explorer = Explorer(decide, terms, side.units(name), world, Scope(named))
    found: dict[tuple[tuple[str, ...], tuple[tuple[str, Fraction], ...]], RegionShares] = {}
    try:
        for case in explorer.cases(world.budget(CASES)):
            if not case.known.lacking():
                region = _region(name, side, case)
                key = region.rules, tuple(sorted((str(variant), share) for variant, share in region.shares.items()))
                found.setdefault(key, region)
    except (TooMany, Dependent):
        return None
    return sorted(found.values(), key=lambda region: -len(region.rules))


def _region(name: str, side: Side, case: Case) -> RegionShares:
    by_variant: dict[str | None, Fraction] = {}
    for (outcome, _), share in shares(case.node).by_pair.items():
        by_variant[outcome.variant] = by_variant.get(outcome.variant, Fraction(0)) + share
    return RegionShares(_names(name, side, case.seen), by_variant)


def _names(name: str, side: Side, seen: Sequence[RuleMatch]) -> tuple[str, ...]:
    names = []
    for match in seen:
        rules = (side.state(match.flag) or {}).get("rules", ())
        called = rule_name(rules[match.rule], match.rule)
        names.append(called if match.flag == name else f"{match.flag}: {called}")
    return tuple(names)
