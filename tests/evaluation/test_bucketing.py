"""The promise of docs/bucketing.md, against the formula as it is written there."""

from __future__ import annotations

import random
from hashlib import sha256
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from burgee.evaluation.bucketing import (
    BUCKETS,
    bucket,
    hash_line,
    holdout_salt,
    layer_salt,
    split_bounds,
    split_salt,
    threshold,
)
from burgee.evaluation.ruleset import Ruleset
from burgee.model import ErrorCode

CASES = yaml.safe_load((Path(__file__).parents[1] / "cases/bucketing.yaml").read_text(encoding="utf-8"))
PERCENTAGES = st.integers(0, BUCKETS).map(lambda thousandths: thousandths / 1000)


def ruleset(**flags: dict[str, Any]) -> Ruleset:
    return Ruleset({"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["unit"][:12])
def test_golden_vectors(case: dict[str, Any]) -> None:
    unit, salt = case["unit"], case["salt"]
    assert bucket(unit, salt) == case["bucket"]
    assert bucket(unit, split_salt(salt)) == case["arm"]
    assert bucket(unit, layer_salt(salt)) == case["layer"]
    assert bucket(unit, holdout_salt(salt)) == case["holdout"]


@given(st.text(), st.text())
def test_the_bucket_is_the_formula(unit: str, salt: str) -> None:
    number = int(sha256(f"{unit}:{salt}".encode()).hexdigest(), 16)
    assert bucket(unit, salt) == (number % 100) * 1000 + (number // 100) % 1000


def test_whole_percentages_agree_with_the_original_formula_everywhere() -> None:
    """10,000 users, 5 flags, 0..100: buckets against the formula, and a share of them through the whole engine."""
    flags = ["new_feature", "dark_mode", "beta_search", "experimental_ai", "a.b-c"]
    users = [f"user_{number}" for number in range(10_000)]
    rollouts = {
        (flag, p): {"status": True, "rollout_percentage": p, "salt": flag} for flag in flags for p in range(101)
    }
    served = ruleset(**{f"{flag}.{p}": definition for (flag, p), definition in rollouts.items()})
    limits = [threshold(p) for p in range(101)]
    compared = differences = 0
    for flag in flags:
        for index, user in enumerate(users):
            original = int(sha256(f"{user}:{flag}".encode()).hexdigest(), 16) % 100
            fallen = bucket(user, flag)
            for p in range(101):
                compared += 1
                differences += (fallen < limits[p]) is not (original < p)
            if index % 50 == 0:
                for p in range(101):
                    answer = served.evaluate(f"{flag}.{p}", {"targetingKey": user}, 0)
                    differences += answer.value is not (original < p)
    assert (compared, differences) == (5_050_000, 0)


@given(st.text(min_size=1), PERCENTAGES, PERCENTAGES)
def test_raising_a_percentage_never_withdraws(unit: str, one: float, other: float) -> None:
    low, high = sorted((one, other))
    served = ruleset(
        low={"status": True, "salt": "s", "rollout_percentage": low},
        high={"status": True, "salt": "s", "rollout_percentage": high},
    )
    context = {"targetingKey": unit}
    assert served.evaluate("low", context, 0).value <= served.evaluate("high", context, 0).value


def test_every_percentage_takes_exactly_its_share_of_buckets() -> None:
    """All of them: binary fractions miss some, such as 0.29, by a hair."""
    assert [n for n in range(BUCKETS + 1) if threshold(n / 1000) != n] == []
    assert [n for n in range(BUCKETS + 1) if threshold(float(f"{n // 1000}.{n % 1000:03}")) != n] == []


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=8).filter(any), st.integers(0, BUCKETS - 1))
def test_an_arm_is_the_first_whose_cumulative_weight_is_above_the_bucket(weights: list[int], fallen: int) -> None:
    bounds = split_bounds(weight / 1000 for weight in weights)
    total, cumulative, first = sum(weights), 0, None
    for index, weight in enumerate(weights):
        cumulative += weight
        if fallen * total < cumulative * BUCKETS:
            first = index
            break
    assert next(index for index, bound in enumerate(bounds) if fallen < bound) == first
    for bound, reached in zip(bounds, accumulate(weights), strict=True):
        assert (bound - 1) * total < reached * BUCKETS <= bound * total, "no bound is a bucket off"
    assert all(one <= other for one, other in pairwise(bounds))


def arms(weights: dict[str, float], rollout: float | None = None) -> Ruleset:
    definition = {
        "status": True,
        "variants": {name: name for name in [*weights, "out"]},
        "off_variant": "out",
        "default": {"split": weights},
    }
    if rollout is not None:
        definition["rollout_percentage"] = rollout
    return ruleset(flag=definition)


def units(number: int) -> list[str]:
    source = random.Random(7)
    return [f"{source.getrandbits(64):x}" for _ in range(number)]


@pytest.mark.parametrize(
    "weights",
    [{"a": 50, "b": 50}, {"a": 1, "b": 2, "c": 7}, {"a": 33.333, "b": 33.333, "c": 33.334}, {"a": 0.5, "b": 99.5}],
)
def test_shares_are_what_the_weights_say(weights: dict[str, float]) -> None:
    """Chi-square goodness of fit over 100,000 units; a right hash fails this once in a thousand seeds."""
    served = arms(weights)
    counts = dict.fromkeys(weights, 0)
    for unit in units(100_000):
        counts[str(served.evaluate("flag", {"targetingKey": unit}, 0).variant)] += 1
    expected = [weight / sum(weights.values()) * 100_000 for weight in weights.values()]
    assert chisquare(list(counts.values()), expected).pvalue > 0.001


def test_rollout_and_arm_are_independent() -> None:
    """Among the users in a 10 % rollout, the arms keep their weights."""
    everyone, tenth = arms({"a": 50, "b": 50}), arms({"a": 50, "b": 50}, rollout=10)
    table = {True: {"a": 0, "b": 0}, False: {"a": 0, "b": 0}}
    for unit in units(100_000):
        context = {"targetingKey": unit}
        arm = str(everyone.evaluate("flag", context, 0).variant)
        inside = tenth.evaluate("flag", context, 0).variant
        assert inside in {arm, "out"}, "growing a rollout must not change anybody's arm"
        table[inside != "out"][arm] += 1
    assert chi2_contingency([list(row.values()) for row in table.values()]).pvalue > 0.001
    assert 9_500 < sum(table[True].values()) < 10_500


@given(st.text(min_size=1), st.lists(st.integers(0, BUCKETS), min_size=1, max_size=5, unique=True))
def test_layers_are_disjoint_and_leave_nobody_out(unit: str, cuts: list[int]) -> None:
    edges = sorted({0, *cuts, BUCKETS})
    flags = {
        f"flag{low}": {"status": True, "layer": {"name": "checkout", "range": [low / 1000, high / 1000]}}
        for low, high in pairwise(edges)
    }
    answers = ruleset(**flags).evaluate_all({"targetingKey": unit}, 0)
    assert sum(answer.value is True for answer in answers.values()) == 1


@given(st.text(min_size=1), st.floats(0, 1), st.floats(0, 1))
def test_a_ramp_upwards_never_withdraws(unit: str, one: float, other: float) -> None:
    ramp = {"from": 0, "to": 100, "start": "2027-01-01T00:00:00Z", "end": "2027-01-02T00:00:00Z"}
    served = ruleset(flag={"status": True, "rollout_percentage": ramp})
    earlier, later = (1_798_761_600 + 86_400 * part for part in sorted((one, other)))
    context = {"targetingKey": unit}
    assert served.evaluate("flag", context, earlier).value <= served.evaluate("flag", context, later).value


UNITS: st.SearchStrategy[Any] = (
    st.text() | st.sampled_from(["\ud800", "", 7, 7.0, 7.5, True, None, [], {}, "7"]) | st.integers()
)


@given(UNITS, PERCENTAGES, st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_the_fast_paths_take_any_unit_as_the_formula_does(unit: Any, percentage: float, weights: list[int]) -> None:
    split = {f"arm{number}": weight for number, weight in enumerate(weights)}
    arms = {"variants": dict.fromkeys(split, "x"), "default": {"split": split}}
    served = ruleset(
        share={"status": True, "rollout_percentage": percentage, "bucket_by": "account"},
        arms={"status": True, "bucket_by": "account", **arms},
    )
    share, arm = (served.evaluate(flag, {"account": unit}) for flag in ("share", "arms"))
    whole = isinstance(unit, (int, float)) and not isinstance(unit, bool) and unit == int(unit)
    text = str(int(unit)) if whole else unit if isinstance(unit, str) else ""
    if not text:
        assert arm.error_code is ErrorCode.TARGETING_KEY_MISSING
        assert share.error_code is ErrorCode.TARGETING_KEY_MISSING or percentage in {0, 100}
        return
    assert share.value is (bucket(text, "share") < threshold(percentage))
    place = bucket(text, split_salt("arms"))
    bounds = split_bounds(weights)
    assert arm.variant == f"arm{next(number for number, bound in enumerate(bounds) if place < bound)}"


@given(st.lists(st.sampled_from(["a", "b", "\ud800"])))
def test_a_line_that_remembers_gives_each_unit_its_bucket(units: list[str]) -> None:
    place = hash_line("salt")
    assert [place(unit) for unit in units] == [bucket(unit, "salt") for unit in units]
