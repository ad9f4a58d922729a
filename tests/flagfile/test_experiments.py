"""Plans of experiments: what arms they compare, and that a release carries next to nothing of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import burgee
from burgee.evaluation.definition import DEFAULT_RULE
from burgee.flagfile.compile import compile_file
from burgee.flagfile.experiments import allocation
from burgee.model import Reason

if TYPE_CHECKING:
    from pathlib import Path

PLAN = "{hypothesis: h, start: 2099-01-01, end: 2099-02-01, primary: m, auto_expose: %s}"
FILE = (
    "version: 1\nmetrics: {m: {event: e, kind: mean}}\nflags:\n"
    "  a: {status: on, rollout_percentage: 50, experiment: %s}\n"
)


@pytest.mark.parametrize(
    ("definition", "rule", "arms"),
    [
        ({"rollout_percentage": 20}, DEFAULT_RULE, {"off": 0.8, "on": 0.2}),
        ({"rollout_percentage": 100}, DEFAULT_RULE, {}),
        ({"default": {"split": {"a": 1, "b": 3, "c": 0}}}, DEFAULT_RULE, {"a": 0.25, "b": 0.75}),
        ({"rules": [{"split": {"a": 1, "b": 1}}]}, "rule 1", {"a": 0.5, "b": 0.5}),
        ({"rules": [{"name": "x", "serve": "a"}]}, "x", {}),
        ({}, "nowhere", {}),
    ],
)
def test_the_arms_are_the_shares_of_the_split(definition: dict[str, Any], rule: str, arms: dict[str, float]) -> None:
    assert allocation(definition, rule) == pytest.approx(arms)


def test_a_release_says_only_whose_answers_are_logged(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(FILE % (PLAN % "true"), encoding="utf-8")
    logged = compile_file(path)
    path.write_text(FILE % (PLAN % "false"), encoding="utf-8")
    silent = compile_file(path)
    assert logged == {**silent, "exposed": {"a": []}}
    assert logged["flags"]["a"] == {"status": True, "rollout_percentage": 50}


def test_answers_of_the_arms_say_so_and_those_of_layers_and_holdouts_do_not(tmp_path: Path) -> None:
    """Both are SPLIT, and often the same variant: without the mark, users outside would count as control."""
    path = tmp_path / "flags.yaml"
    path.write_text(
        "version: 1\nholdouts: {h: {percentage: 20}}\nflags:\n"
        "  a: {status: on, rollout_percentage: 50, layer: {name: l, range: [0, 50]}, holdout: h}\n"
        "  b: {status: on, variants: {x: 1, y: 2}, off_variant: x, rollout_percentage: 50,"
        " default: {split: {x: 1, y: 1}}}\n",
        encoding="utf-8",
    )
    rules = burgee.load(path)
    answers = [rules.evaluate("a", {"targetingKey": f"u{n}"}) for n in range(4000)]
    assert {answer.reason for answer in answers} == {Reason.SPLIT}
    inside = [answer for answer in answers if answer.metadata.get("rule") == DEFAULT_RULE]
    assert len(inside) == pytest.approx(4000 * 0.8 * 0.5, rel=0.1)
    assert sum(answer.variant == "on" for answer in inside) == pytest.approx(len(inside) / 2, rel=0.1)
    split = [rules.evaluate("b", {"targetingKey": f"u{n}"}) for n in range(4000)]
    assert sum(answer.metadata.get("rule") == DEFAULT_RULE for answer in split) == pytest.approx(2000, rel=0.1)
