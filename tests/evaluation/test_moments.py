"""When answers change by the clock: compared with the engine's answers around those times."""

from __future__ import annotations

from typing import Any

from burgee.evaluation.moments import MAX_MOMENTS, RAMP_STEPS, moments
from burgee.evaluation.ruleset import Ruleset
from burgee.model import Override
from burgee.times import format_time

START = 2_000_000_000.0
USERS = [{"targetingKey": f"u{number}"} for number in range(40)]


def ruleset(*overrides: Override, **flags: Any) -> Ruleset:
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
    return Ruleset(snapshot, overrides, {"version": 1})


def test_between_two_steps_of_schedules_no_answer_changes() -> None:
    flags: dict[str, Any] = {
        f"flag-{number}": {
            "status": True,
            "rollout_percentage": 10,
            "schedule": [
                {"at": format_time(START + 100 * step + number), "set": {"rollout_percentage": 10 + 20 * step}}
                for step in range(1, 4)
            ],
        }
        for number in range(5)
    }
    made = ruleset(**flags)
    found = moments(made)
    assert len(found) == 15
    for before, after in zip([START, *found], [*found, START + 1_000], strict=True):
        first, last = (str([made.evaluate_all(user, at) for user in USERS]) for at in (before, after - 0.001))
        assert first == last
    assert moments(made) is found


def test_a_ramp_is_some_steps_from_its_start_to_its_end() -> None:
    for seconds, steps in ((86_400, RAMP_STEPS), (120, 2), (10, 1), (0.5, 1)):
        ramp = {"from": 0, "to": 100, "start": format_time(START), "end": format_time(START + seconds)}
        for flag in (
            {"status": True, "rollout_percentage": ramp},
            {"status": True, "rules": [{"serve": "on", "rollout_percentage": ramp}], "rollout_percentage": 0},
        ):
            found = moments(ruleset(flag=flag))
            assert (found[0], found[-1], len(found)) == (START, START + seconds, steps + 1)


def test_an_override_has_its_own_and_what_is_broken_none() -> None:
    at = format_time(START)
    schedule = {"status": False, "schedule": [{"at": at, "set": {"status": True}}]}
    laid = Override("a", schedule, "ada", "why", at, at, None, None)
    gone = Override("b", None, "ada", "why", at, at, None, None)
    assert moments(ruleset(laid, gone, a={"status": True}, b={"schedule": [{"at": "x", "set": {}}]})) == [START]
    assert not moments(ruleset(a={"status": True}))


def test_there_are_at_most_so_many() -> None:
    schedule = [
        {"at": format_time(START + step), "set": {"status": bool(step % 2)}} for step in range(MAX_MOMENTS + 9)
    ]
    assert len(moments(ruleset(a={"status": True, "schedule": schedule}))) == MAX_MOMENTS
