"""What is wrong with a file whatever it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from burgee.diff.symbolic import Side
from burgee.diff.world import World
from burgee.findings import Code
from burgee.review import file_findings
from burgee.review.file_findings import correlated, oversize, starved
from support.effects import NOW, ON, snapshot

if TYPE_CHECKING:
    import pytest


def test_a_release_that_doubles_and_a_flag_too_large_for_an_override_are_reported() -> None:
    few = snapshot({"f": {"status": True}})
    many = snapshot({f"flag-{number}": {"status": True, "description": "x" * 100} for number in range(1000)})
    large = snapshot({"f": {"status": True, "targets": {"on": [f"user-{number:06}" for number in range(30_000)]}}})
    assert [one.flag for one in oversize(few, many)] == [None]
    assert list(oversize(many, many)) == []
    assert "f" in [one.flag for one in oversize(few, large)]


def found(flags: dict[str, Any]) -> list[tuple[Code, str | None, str, tuple[str, ...]]]:
    side = Side(snapshot(flags), NOW)
    return [
        (one.code, one.flag, one.message.partition(",")[0], tuple(one.details))
        for one in correlated(side, flags, World())
    ]


SHARED = {**ON, "salt": "s", "rollout_percentage": 20}


def test_each_flag_on_a_shared_line_is_named_once() -> None:
    flags = {f"f{number}": SHARED for number in range(4)}
    own = "its own `salt` makes it independent"
    both = "both hash `user:s`: 20 % get on of one and on of the other"
    assert found(flags) == [
        (Code.CORRELATED, "f1", f"f0 and f1 {both}", (own, "f2, f3 hash it too")),
        (Code.CORRELATED, "f2", f"f0 and f2 {both}", (own, "f1, f3 hash it too")),
        (Code.CORRELATED, "f3", f"f0 and f3 {both}", (own, "f1, f2 hash it too")),
    ]


def test_pairs_that_are_not_compared_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flags that give everybody the off variant depend on nothing, so that every pair has to be looked at."""
    monkeypatch.setattr(file_findings, "MAX_PAIRS", 4)
    flags = {f"f{number}": {**SHARED, "default": {"serve": "off"}} for number in range(4)}
    assert found(flags) == [
        (Code.NOT_EXACT, None, "of 6 pairs of flags that share a hash", ()),
    ]


def test_a_pair_in_too_many_cases_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_findings, "MAX_CASES", 3)
    rules = [{"name": f"r{n}", "when": {f"a{n}": 1}, "rollout_percentage": n + 1} for n in range(5)]
    flags = {"f0": {**SHARED, "rules": rules}, "f1": SHARED}
    assert found(flags) == [(Code.NOT_EXACT, "f1", "f0 and f1 share a hash in too many cases to compare", ())]
    (one,) = starved(Side(snapshot(flags), NOW), "f0", World())
    assert (one.code, one.flag) == (Code.NOT_EXACT, "f0")
    assert "whether each rule can be reached was not" in one.message


def test_lines_that_depend_on_each_other_are_said() -> None:
    """Two lines of one weak hash: shares of 100,000 and arms of another size."""
    split = {"status": True, "hash": "goff", "salt": "s", "default": {"split": {"on": 1, "off": 2}}}
    share = {**SHARED, "hash": "goff"}
    flags = {"f0": {**split, "rules": [{"name": "r", "when": {"a": 1}, "rollout_percentage": 5}]}, "f1": share}
    codes = {code for code, *_ in found(flags)}
    assert codes == {Code.NOT_EXACT}


def test_a_first_rule_whose_share_misses_the_units_it_names_is_not_blamed_on_others() -> None:
    rule = {"name": "r", "when": {"targetingKey": ["ada"]}, "rollout_percentage": 0.001, "serve": "on"}
    side = Side(snapshot({"f": {"status": True, "rules": [rule], "default": {"serve": "off"}}}), NOW)
    (one,) = starved(side, "f", World())
    assert one.message == 'no user can reach f\'s rule "r": its share holds none of those that it matches'


def test_a_rule_is_reached_by_those_that_the_rules_before_it_pass_on() -> None:
    """Because they require another flag, leave a gap, or divide by what a context may lack."""
    last = {"name": "last", "when": {}, "serve": "on"}

    def names(first: dict[str, Any], **more: Any) -> list[str]:
        flag = {"status": True, "rules": [{"name": "first", "when": {}, **first}, last], "default": {"serve": "off"}}
        side = Side(snapshot({"f": {**flag, **more}, "base": ON}), NOW)
        return [one.message.split('"')[1] for one in starved(side, "f", World())]

    assert names({"serve": "on"}) == ["last"]
    assert names({"serve": "on", "requires": [{"flag": "base", "variant": "on"}]}) == []
    assert names({"ranges": {"on": [0, 99.999]}}) == []
    assert names({"ranges": {"on": [0, 50], "off": [50, 100]}}) == ["last"]
    assert names({"split": {"on": 1, "off": 1}, "without_unit": "next"}) == []
    assert names({"split": {"on": 1, "off": 1}, "without_unit": "on"}) == ["last"]
    assert names({"ranges": {"on": [0, 60]}}, default={"serve": "off"}, without_unit="off") == []
