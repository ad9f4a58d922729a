"""What regions are called, and which rules count as one before and after."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.diff.region_names import noun_of
from support.effects import ON, changed, snapshot


@pytest.mark.parametrize(
    ("units", "noun"),
    [
        (set(), "users"),
        ({"targetingKey"}, "users"),
        ({"company"}, "companies"),
        ({"key"}, "keys"),
        ({"tenant"}, "tenants"),
        ({"business"}, "businesses"),
        ({"account.id"}, "values of account.id"),
        ({"company", "targetingKey"}, "users"),
    ],
)
def test_the_noun_of_a_unit(units: set[str], noun: str) -> None:
    assert noun_of(units) == noun


DE, FR, PRO = {"country": "DE"}, {"country": "FR"}, {"plan": "pro"}


def regions(old: list[Any], new: list[Any]) -> set[str]:
    before, after = ({"f": {**ON, "rollout_percentage": 0, "rules": rules}} for rules in (old, new))
    return {region.when for region in changed(snapshot(before), snapshot(after))["f"].regions}


def test_a_rule_by_name_by_condition_and_by_order() -> None:
    named = [{"name": "r", "when": DE}]
    assert regions(named, [{"name": "r", "when": {"country": ["DE", "FR"]}}]) == {
        'users newly matching "r" (country in DE, FR; new: FR)'
    }
    assert regions([{"when": DE}], [{"when": {"country": ["DE", "FR"]}}]) == {
        "users newly matching country in DE, FR (new: FR)"
    }
    # A rule before it decides: what it matches is what it matched.
    assert regions([{"when": DE}], [{"when": PRO, "serve": "off"}, {"when": DE}]) == {
        "users newly matching plan = pro, no longer reaching country = DE"
    }
    assert regions([{"when": DE}], []) == {"users no longer matching country = DE"}
    assert regions([{"when": PRO, "serve": "off"}, {"when": DE}], [{"when": DE}, {"when": PRO, "serve": "off"}]) == {
        "users newly reaching country = DE, no longer reaching plan = pro"
    }


def test_a_prerequisites_rule_has_its_name() -> None:
    def side(country: Any) -> Any:
        asked = {**ON, "rollout_percentage": 0, "rules": [{"when": {"country": country}}]}
        return snapshot({"p": asked, "f": {**ON, "requires": [{"flag": "p", "variant": "on"}]}})

    effects = changed(side("DE"), side(["DE", "FR"]))
    assert [region.when for region in effects["f"].regions] == [
        "users newly matching p's rule (country in DE, FR; new: FR)"
    ]
