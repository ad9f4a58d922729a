"""The order of evaluation as data."""

from __future__ import annotations

from typing import Any

import pytest

from burgee.evaluation.decisions import Default, Holdout, Layer, Ramp, Requires, Rule, Status, Targets, decisions
from burgee.times import parse_time

EVERYTHING: dict[str, Any] = {
    "default": {"serve": "on"},
    "rules": [{"when": {"country": "DE"}, "serve": "on"}, {"when": {}, "serve": "off"}],
    "targets": {"on": ["ada", 7]},
    "layer": {"name": "l", "range": [0, 50]},
    "holdout": "q",
    "requires": [{"flag": "other", "variant": "on"}],
    "status": True,
}
HALVES = {"default": {"split": {"on": 1, "off": 1}}}


def kinds(state: dict[str, Any]) -> list[type]:
    return [type(step) for step in decisions("f", state, {"q": 10.0}.__getitem__).steps]


def test_decisions_come_in_the_order_of_evaluation_whatever_the_order_of_keys() -> None:
    order = [Requires, Holdout, Layer, Targets, Rule, Rule, Default]
    assert kinds(EVERYTHING) == order
    assert kinds(dict(reversed(EVERYTHING.items()))) == order


def test_a_flag_that_is_off_decides_nothing_else() -> None:
    assert kinds({**EVERYTHING, "status": False}) == [Status]
    assert kinds({}) == [Status]


def test_a_list_holds_only_what_a_definition_uses() -> None:
    assert kinds({"status": True}) == [Default]
    assert kinds({"status": True, "targets": {"on": []}, "rules": [], "requires": []}) == [Default]


def test_layers_and_holdouts_hash_as_all_flags_do_whatever_a_flag_pins() -> None:
    found = decisions("f", {**EVERYTHING, "hash": "goff", "rollout_percentage": 50}, {"q": 10.0}.__getitem__).steps
    names = [step.share.strategy.name for step in found if isinstance(step, (Holdout, Layer))]
    assert names == [None, None]
    default = found[-1]
    assert isinstance(default, Default)
    assert default.share is not None
    assert default.share.strategy.name == "goff"


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ({"status": True, "holdout": "missing"}, KeyError),
        ({"status": True, "hash": "sha3"}, KeyError),
        (
            {"status": True, "hash": "goff", "rollout_percentage": 5, "default": {"split": {"on": 1, "off": 1}}},
            ValueError,
        ),
    ],
)
def test_what_cannot_be_decided_is_an_error(state: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        decisions("f", state, {"q": 10.0}.__getitem__)


def test_a_ramp_is_level_outside_its_times() -> None:
    start, end = parse_time("2027-01-01"), parse_time("2027-01-11")
    ramp = Ramp(10, 60, start, end)
    days = [ramp.at(start + day * 86_400) for day in (-1, 0, 1, 5, 10, 11)]
    assert days == [10_000, 10_000, 15_000, 35_000, 60_000, 60_000]


def test_a_ramp_that_takes_no_time_is_a_step() -> None:
    assert [Ramp(0, 100, 5.0, 5.0).at(now) for now in (4.9, 5.1)] == [0, 100_000]
