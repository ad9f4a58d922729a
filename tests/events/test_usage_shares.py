"""Observed shares are tested against those that a definition gives, where it alone gives them."""

from __future__ import annotations

import random
from typing import Any

import pytest
from scipy import stats

from burgee.evaluation.ruleset import Ruleset
from burgee.events.usage_database import Answered
from burgee.events.usage_records import Cell
from burgee.events.usage_shares import ALPHA, chi_squared, expected_shares, share_checks

ARMS: dict[str, Any] = {"variants": {"a": 1, "b": 2, "c": 3}, "status": True}
SPLIT: dict[str, Any] = {**ARMS, "default": {"split": {"a": 1, "b": 1, "c": 2}}}
RULE: dict[str, Any] = {
    **ARMS,
    "rules": [{"name": "de", "when": {"country": "DE"}, "split": {"a": 1, "b": 3}}],
    "default": {"serve": "c"},
}


@pytest.mark.parametrize("freedom", [*range(1, 12), 40, 101])
def test_the_tail_of_chi_squared_is_scipys(freedom: int) -> None:
    for statistic in (0.0, 1e-9, 0.1, 1.0, 3.84, 10.0, 25.0, 80.0, 400.0):
        assert chi_squared(statistic, freedom) == pytest.approx(
            stats.chi2.sf(statistic, freedom), rel=1e-9, abs=1e-300
        )


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        (SPLIT, {"default": {"a": 0.25, "b": 0.25, "c": 0.5}}),
        (RULE, {"de": {"a": 0.25, "b": 0.75}}),
        ({"status": True, "rollout_percentage": 12.5}, {"default": {"on": 0.125, "off": 0.875}}),
        ({**SPLIT, "rollout_percentage": 10, "off_variant": "a"}, {"default": {"a": 0.25, "b": 0.25, "c": 0.5}}),
        ({"status": True}, {}),
        ({"status": True, "rollout_percentage": 100}, {}),
        ({"status": True, "rollout_percentage": 0}, {}),
        ({**SPLIT, "status": False}, {}),
        ({**SPLIT, "requires": [{"flag": "other", "variant": "on"}]}, {}),
        ({**RULE, "rules": [{**RULE["rules"][0], "requires": [{"flag": "other", "variant": "on"}]}]}, {}),
        ({**SPLIT, "schedule": [{"at": "2030-01-01T00:00:00Z", "set": {"status": False}}]}, {}),
        (
            {
                "status": True,
                "rollout_percentage": {
                    "from": 0,
                    "to": 9,
                    "start": "2026-01-01T00:00:00Z",
                    "end": "2026-02-01T00:00:00Z",
                },
            },
            {},
        ),
        ({"status": True, "rules": [{"when": {"a": 1}, "rollout_percentage": 5}], "rollout_percentage": 50}, {}),
        ({"status": True, "rollout_percentage": "nonsense"}, {}),
    ],
)
def test_shares_are_expected_where_the_definition_alone_gives_them(definition: Any, expected: Any) -> None:
    found = expected_shares("f", definition, {"flags": {"f": definition}})
    assert found.keys() == expected.keys()
    for rule, shares in expected.items():
        assert found[rule] == pytest.approx(shares, abs=1e-4)


def test_a_share_in_a_segment_chooses_among_users_so_nothing_is_expected() -> None:
    snapshot = {"flags": {"f": SPLIT}, "segments": {"some": {"all": [{"$share": {"rollout_percentage": 10}}]}}}
    assert expected_shares("f", SPLIT, snapshot) == {}


def recorded(counts: dict[str | None, int], records: int, rule: str = "default", **more: Any) -> list[Answered]:
    made = []
    for variant, number in counts.items():
        cell = Cell("f", variant, "SPLIT", rule, None, 7, override=False, key="", bulk=False)._replace(**more)
        made.append(Answered(cell, number, 1.0, min(records, number)))
    return made


def checks(definition: Any, answered: list[Answered]) -> Any:
    return share_checks("f", {"flags": {"f": definition}}, 7, answered)


def test_a_constant_unit_is_found_within_an_hour_and_repeated_answers_are_not_evidence() -> None:
    definition = {"status": True, "rollout_percentage": 50}
    (constant,) = checks(definition, recorded({"on": 6_000}, 60))
    assert constant.deviates
    (busy,) = checks(definition, recorded({"on": 5_100_000, "off": 4_900_000}, 1_440))
    assert not busy.deviates
    assert busy.p_value is not None
    (few,) = checks(definition, recorded({"on": 900_000}, 9))
    assert few.p_value is None
    assert not few.deviates


def test_answers_of_overrides_other_releases_errors_and_named_users_are_not_compared() -> None:
    definition = {"status": True, "rollout_percentage": 50}
    for more in ({"override": True}, {"release": 6}, {"reason": "ERROR"}, {"rule": "other"}):
        assert checks(definition, recorded({"on": 6_000}, 60, **more)) == []


@pytest.mark.parametrize("definition", [SPLIT, RULE, {"status": True, "rollout_percentage": 30}])
def test_what_the_engine_answers_to_users_at_random_deviates_as_rarely_as_stated(definition: Any) -> None:
    """One answer a record, the case in which the test is exact: at most 7 of 1,000 (99.9 % of binomials) at 0.001."""
    ruleset = Ruleset({"flags": {"f": definition}}, release={"version": 7})
    chance = random.Random(5)
    deviating = 0
    for _ in range(1_000):
        counts: dict[tuple[str | None, str], int] = {}
        for _ in range(100):
            answer = ruleset.evaluate("f", {"targetingKey": str(chance.getrandbits(64)), "country": "DE"})
            place = answer.variant, str(answer.metadata.get("rule"))
            counts[place] = counts.get(place, 0) + 1
        answered = [
            one for (variant, rule), number in counts.items() for one in recorded({variant: number}, 100, rule)
        ]
        merged = [one._replace(records=100) for one in answered]
        deviating += any(one.deviates for one in checks(definition, merged))
    assert deviating <= stats.binom.ppf(0.999, 1_000, ALPHA) + 2
