"""Lint says how long a guard's steps would take to show a harm, from what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = """
version: 1
environments: [staging, production]
metrics:
  errors: {event: failed, kind: proportion, direction: decrease}
flags:
  checkout:
    owner: payments
    status: on
    rollout_percentage: 0
    environments:
      production:
        guard:
          steps: [1, 5, 25, 50, 100]
          hold: HOLD
          guardrails: {errors: {margin: 20BASELINE}}
          DAILY
"""
EXPERIMENT = """
  other:
    owner: payments
    status: on
    rollout_percentage: 50
    experiment:
      hypothesis: h
      start: 2098-01-01
      end: 2098-02-01
      primary: errors
      baseline: {mean: 0.02}
"""


def linted(burgee: Burgee, hold: str, baseline: str, daily: str, more: str = "") -> str:
    text = FILE.replace("HOLD", hold).replace("BASELINE", baseline).replace("DAILY", daily)
    burgee.write(text + more)
    ran = burgee("lint")
    assert ran.code == 0, ran.err
    return "\n".join(line for line in ran.err.splitlines() if "guard-undersized" in line)


def test_a_plan_that_is_too_short_says_how_long_it_would_take(burgee: Burgee) -> None:
    said = linted(burgee, "6h", ", baseline: {mean: 0.02}", "units_per_day: 40000")
    assert "16:24: warning" in said
    assert "a harm of 40 %, twice its margin, shows in no step: step 50 % needs 6 days, and lasts 6 hours" in said
    assert linted(burgee, "7d", ", baseline: {mean: 0.02}", "units_per_day: 40000") == ""


def test_the_baseline_of_an_experiment_on_the_metric_is_used(burgee: Burgee) -> None:
    assert linted(burgee, "6h", "", "units_per_day: 40000") == ""
    assert "step 50 % needs 6 days" in linted(burgee, "6h", "", "units_per_day: 40000", EXPERIMENT)


def test_without_units_per_day_it_says_how_many_units_it_takes(burgee: Burgee) -> None:
    said = linted(burgee, "6h", ", baseline: {mean: 0.02}", "")
    assert "note guard-undersized" in said
    assert "units in the smaller group, and a step counts from 500" in said
    assert linted(burgee, "6h", ", baseline: {mean: 0.02}", "minimum: 200000") == ""
