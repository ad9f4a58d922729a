"""The largest share of users whose answer may change, against distributions of users that are tried."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from burgee.agents.limits import Limits, excess, largest_share
from burgee.diff.effect import effects
from burgee.diff.flag_effect import FlagEffect, Move, RegionEffect
from burgee.diff.losses import MoveKind
from burgee.diff.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

OFF, ON = Outcome("off", "false"), Outcome("on", "true")


def region(moved: Fraction, share: Fraction | None = None, users: Sequence[str] = ()) -> RegionEffect:
    return RegionEffect("some", {}, [Move(OFF, ON, moved, None, MoveKind.GAIN)], share, users)


PERCENT = st.integers(0, 100).map(lambda value: Fraction(value, 100))


@given(st.lists(PERCENT, max_size=4), st.lists(st.tuples(PERCENT, st.integers(1, 9)), max_size=4), st.data())
def test_no_distribution_of_users_moves_more_and_one_moves_as_many(
    unknown: list[Fraction], known: list[tuple[Fraction, int]], data: st.DataObject
) -> None:
    parts = sum(weight for _, weight in known) + (10 if unknown else 1)
    fixed = [(moved, Fraction(weight, parts)) for moved, weight in known]
    bound = largest_share([*map(region, unknown), *(region(*one) for one in fixed)])
    rest = 1 - sum((share for _, share in fixed), Fraction(0))
    certain = sum((moved * share for moved, share in fixed), Fraction(0))
    weights = data.draw(st.lists(st.integers(0, 9), min_size=len(unknown), max_size=len(unknown)))
    tried = [certain + rest * moved for moved in unknown] or [certain]
    if sum(weights):
        tried.append(certain + sum(rest * w * m / sum(weights) for w, m in zip(weights, unknown, strict=True)))
    assert max(tried) == bound


def test_named_users_are_no_share_of_all() -> None:
    assert largest_share([region(Fraction(1), users=["ada"])]) == 0


def test_named_companies_may_be_everyone() -> None:
    assert largest_share([replace(region(Fraction(1), users=["acme"]), unit="company")]) == 1


def test_many_named_users_are_beyond_a_share_but_not_beyond_no_limit() -> None:
    named = [FlagEffect("beta", [region(Fraction(1), users=[f"user-{number}" for number in range(21)])])]
    assert "21 named users" in str(excess(Limits(1), named))
    assert excess(Limits(100), named) is None
    assert excess(Limits(losses=False), named) is None


def test_what_is_not_exact_is_beyond_any_limit() -> None:
    sampled = FlagEffect("beta", [], sample="too many cases")
    assert excess(Limits(), [sampled]) is None
    assert "could not be computed exactly" in str(excess(Limits(100, losses=True), [sampled]))


GUARD = {"steps": [1, 2], "hold": "1h", "alarms": ["errors"]}


def file(**keys: Any) -> dict[str, Any]:
    return {"format": 1, "environment": None, "flags": {"f": {"status": True, "rollout_percentage": 0, **keys}}}


def test_the_steps_of_a_guard_count_with_what_changes_at_once() -> None:
    found = effects(file(), file(guard=GUARD), 0)
    assert excess(Limits(2), found) is None
    assert "up to 2 % of users would change at step 2 %" in str(excess(Limits(1.5), found))
    also_now = effects(file(), file(guard=GUARD, rollout_percentage=0.5), 0)
    assert excess(Limits(1.9), also_now) is not None


def test_a_guard_that_takes_something_away_is_a_loss() -> None:
    away = {"default": {"serve": "off"}, "off_variant": "on"}
    found = effects(file(**away), file(**away, guard=GUARD), 0)
    assert "may take nothing away" in str(excess(Limits(losses=False), found))
