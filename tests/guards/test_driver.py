"""What a guard does next: each rule, and all of them in any order, with crashes, two drivers and clocks that jump."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from burgee.errors import Refused
from burgee.guards import interventions
from burgee.guards.aggregates import Measured
from burgee.guards.driver import GAP, STALE, asks, decide
from burgee.guards.state import GuardState, Outcome
from burgee.guards.transitions import Action, Serving
from support.guards import (
    CROWDS,
    HOUR,
    MINUTE,
    NOW,
    PLAN,
    aggregates,
    begun,
    codes,
    look,
    measure,
    metric,
    moments,
    plan,
    replace_plan,
    seen,
    watch,
)


def test_a_guard_begins_with_its_first_step() -> None:
    state = begun()
    assert (state.step, state.share, state.below) == (0, 1.0, 0.0)
    assert decide(None, None, seen(NOW, None)).reasons[0].code == "no-guard"


def test_it_begins_at_its_time_and_not_while_an_alarm_fires_or_is_unknown() -> None:
    late = replace_plan(start=NOW + HOUR)
    found = decide(late, None, seen(NOW, None))
    assert (found.action, codes(found), found.share) == (Action.HOLD, {"start"}, None)
    assert found.state is not None
    assert decide(late, found.state, seen(NOW + HOUR, found.state)).share == 1.0
    for alarms, code in (({"5xx": True}, "alarm"), ({}, "alarm-unknown")):
        held = decide(PLAN, None, seen(NOW, None, alarms=alarms))
        assert (held.action, codes(held)) == (Action.HOLD, {code})


def test_a_healthy_guard_takes_every_step_and_is_done() -> None:
    state, shares = begun(), [1.0]
    for _ in range(2):
        found = watch(state, 1)
        assert found.action is Action.ADVANCE
        assert found.state is not None
        assert found.state.since - state.since >= HOUR
        state = found.state
        shares.append(state.share)
    assert state.below == 10.0
    found = watch(state, 1)
    assert found.state is not None
    assert [*shares, found.state.share] == [1.0, 10.0, 50.0, 100.0]
    last = found.state
    assert asks(PLAN, last) is None
    assert "alarms-alone" in codes(look(last, last.since))
    found = watch(last, 1)
    assert (found.action, found.share) == (Action.DONE, None)
    assert {"last-step", "alarms-alone"} == codes(found)
    assert found.state is not None
    assert found.state.ended is not None
    assert (found.state.ended.outcome, found.state.ended.share) == (Outcome.DONE, 100.0)
    again = look(found.state, NOW + 9 * HOUR)
    assert again.action is Action.DONE
    assert again.state is found.state


def test_the_time_of_a_step_counts_from_its_first_look() -> None:
    state = begun()
    first = look(state, state.since + 50 * MINUTE)
    assert first.state is not None
    assert first.state.held == 0
    second = look(first.state, state.since + 70 * MINUTE)
    assert second.state is not None
    assert second.state.held == 20 * MINUTE
    assert second.state.looks == 2
    # A driver that was down for a day has watched for two hours at most.
    long = replace_plan(hold=24 * HOUR)
    third = look(second.state, state.since + 26 * HOUR, long)
    assert third.state is not None
    assert third.state.held == 20 * MINUTE + GAP


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"faults": ("too many bytes",)}, "records"),
        ({"until": NOW - STALE}, "stale"),
        ({"quiet": {}}, "no-data"),
        ({"quiet": {"errors": 50, "revenue": 0}}, "silent"),
        ({"alarms": {}}, "alarm-unknown"),
    ],
)
def test_bad_data_hold_and_their_time_does_not_count(more: dict[str, Any], code: str) -> None:
    found = watch(begun(), 5, **more)
    assert found.action is Action.HOLD
    assert code in codes(found)
    assert found.state is not None
    assert found.state.held == 0


def test_records_that_have_stopped_do_not_advance_even_by_a_clock_that_is_slow() -> None:
    state = watch(begun(), 0.5).state
    assert state is not None
    last = state.until
    for minutes in range(10, 300, 10):
        data = measure(PLAN, state, NOW + 30 * MINUTE)
        found = decide(PLAN, state, seen(NOW + minutes * MINUTE - 5 * HOUR, state, aggregates=data))
        assert found.action is Action.HOLD
        assert "no-records" in codes(found)
        assert found.state is not None
        state = found.state
    assert state.until == last
    assert state.held == 30 * MINUTE


def test_clocks_that_differ_or_jump_count_no_time_twice_where_alarms_alone_judge() -> None:
    """Two drivers, one of them behind; then one whose clock goes back and forward again."""
    given = plan(guardrails=(), alarms=("5xx",), steps=(10.0, 50.0), hold=9 * HOUR)
    for behind in ([0, 5, 0, 5, 0, 5], [0, 5, 5, 50, 0, 50, 0]):
        state = begun(given)
        for minute, late in enumerate(behind):
            found = decide(given, state, seen(NOW + (minute - late) * MINUTE, state))
            assert found.state is not None
            state = found.state
        assert state.held <= (len(behind) - 1) * MINUTE
        assert state.held >= 4 * MINUTE


def test_too_few_units_hold() -> None:
    found = watch(begun(replace_plan(minimum=5000)), 5, replace_plan(minimum=5000))
    assert (found.action, "few-units" in codes(found)) == (Action.HOLD, True)


def test_rounds_without_a_look_change_nothing() -> None:
    first = decide(PLAN, begun(), seen(begun().since, begun())).state
    assert first is not None
    assert [one.code for one in first.reasons] == ["no-look", "hold"]
    found = decide(PLAN, first, seen(first.since + 9 * HOUR, first))
    assert (found.action, codes(found)) == (Action.HOLD, {"no-look", "hold"})
    assert found.state is first
    other = measure(PLAN, replace(first, since=first.since - 1), first.since)
    assert "no-data" in codes(decide(PLAN, first, seen(first.since, first, aggregates=other)))


def test_a_harm_rolls_back_with_its_numbers() -> None:
    state = begun()
    found = look(state, state.since, harm=1.5)
    assert (found.action, found.share) == (Action.ROLL_BACK, 0.0)
    assert found.state is not None
    assert found.state.ended is not None
    assert found.state.ended.reasons[0].numbers["change"] == pytest.approx(0.5)
    assert decide(PLAN, found.state, seen(NOW, found.state)).action is Action.DONE


def test_an_alarm_acts_without_a_look() -> None:
    state = begun()
    found = decide(PLAN, state, seen(state.since, state, alarms={"5xx": True}))
    assert (found.action, found.share, codes(found)) == (Action.ROLL_BACK, 0.0, {"alarm"})


def test_a_signal_asks_and_a_guardrail_still_acts() -> None:
    state = begun()
    found = look(state, state.since, signal=0.5)
    assert found.action is Action.HOLD
    assert found.state is not None
    assert found.state.pause is not None
    assert (found.state.pause.code, found.state.pause.subjects) == ("signal", ("revenue",))
    assert look(found.state, state.since, signal=0.5, harm=1.5).action is Action.ROLL_BACK
    resumed = interventions.resume(PLAN, found.state, seen(state.since, found.state), "ada").state
    assert resumed is not None
    assert watch(resumed, 1, signal=0.5).action is Action.ADVANCE


@pytest.mark.parametrize(
    ("serving", "code"),
    [
        (Serving(None, "ada"), "override"),
        (Serving(None), "override"),
        (Serving(50.0), "override"),
        (Serving(None, "ada", killed=True), "killed"),
        (Serving(1.0, None, killed=True), "killed"),
    ],
)
def test_an_operators_write_or_a_kill_pauses_until_a_person_resumes(serving: Serving, code: str) -> None:
    state = begun()
    found = look(state, state.since, serving=serving, harm=1.5, alarms={"5xx": True})
    assert (found.action, found.share) == (Action.HOLD, None)
    assert found.state is not None
    assert found.state.pause is not None
    assert found.state.pause.code == code
    again = look(found.state, state.since + 1, serving=serving)
    assert again.state is found.state
    # Served again as the guard says, it still waits for a person.
    assert watch(found.state, 3).action is Action.HOLD
    if serving.killed:
        with pytest.raises(Refused, match="burgee unkill checkout"):
            interventions.resume(PLAN, found.state, seen(NOW, state, serving=serving), "ada")
    resumed = interventions.resume(PLAN, found.state, seen(NOW + HOUR, state, serving=Serving(None, "ada")), "ada")
    assert resumed.share == 1.0
    assert resumed.state is not None
    assert (resumed.state.pause, resumed.state.since, resumed.state.held) == (None, NOW + HOUR, 0)


def test_a_change_in_git_ends_it_at_the_reached_share() -> None:
    state = watch(begun(), 1).state
    assert state is not None
    for released, digest in ((PLAN, "b"), (None, "b"), (None, None)):
        found = decide(released, state, seen(NOW, state, digest=digest))
        assert (found.action, found.share) == (Action.DONE, None)
        assert found.state is not None
        assert found.state.ended is not None
        assert (found.state.ended.outcome, found.state.share) == (Outcome.CHANGED, 10.0)


def test_a_guard_in_the_changed_flag_begins_once_the_file_has_the_reached_share() -> None:
    state = watch(begun(), 1).state
    assert state is not None
    again = replace_plan(minimum=200)
    ended = decide(again, state, seen(NOW, state, digest="b"))
    assert ended.state is not None
    waits = decide(again, ended.state, seen(NOW, ended.state, digest="b"))
    assert (waits.action, waits.share, codes(waits)) == (Action.HOLD, None, {"carried"})
    assert waits.state is not None
    assert (waits.state.version, waits.state.pause) == (ended.state.version + 1, None)
    for act in (interventions.resume, interventions.advance):
        with pytest.raises(Refused):
            act(again, waits.state, seen(NOW, state, digest="b"), "ada")
    merged = replace_plan(begins=10.0, steps=(30.0, 100.0))
    ended = decide(merged, waits.state, seen(NOW, state, digest="c"))
    after = decide(merged, ended.state, seen(NOW, None, digest="c"))
    assert (after.action, after.share) == (Action.ADVANCE, 30.0)
    assert after.state is not None
    ask = asks(merged, after.state)
    assert ask is not None
    # Nobody who had the flag before the step counts as reached by it.
    assert ask.reached == (10_000, 30_000)
    assert look(after.state, NOW, merged, digest="c", harm=1.5).share == 10.0


@pytest.mark.parametrize("end", ["rolled back", "stopped"])
def test_a_guard_that_has_ended_begins_again_only_with_another_plan_or_after_it_was_removed(end: str) -> None:
    state = begun()
    if end == "stopped":
        over = interventions.stop(PLAN, state, seen(NOW, state), "ada", back=True).state
    else:
        over = look(state, state.since, harm=1.5).state
    assert over is not None
    assert decide(PLAN, over, seen(NOW, None)).state is over
    # The flag's description changes, or its owner: a reviewer sees no step, so there is none.
    same = decide(PLAN, over, seen(NOW, None, digest="b"))
    assert (same.action, same.share) == (Action.DONE, None)
    assert same.state is not None
    assert (same.state.ended, same.state.digest) == (over.ended, "b")
    assert decide(PLAN, same.state, seen(NOW, None, digest="b")).state is same.state
    # Another plan is stated step by step.
    other = decide(replace_plan(hold=2 * HOUR), same.state, seen(NOW, None, digest="c"))
    assert (other.action, other.share) == (Action.ADVANCE, 1.0)
    # What was taken out of the file, and put back once the fault was mended, begins again: word for word the same.
    gone = decide(None, over, seen(NOW, None, digest="d"))
    assert gone.action is Action.HOLD
    assert gone.state is not None
    assert gone.state.ended == over.ended
    assert decide(None, gone.state, seen(NOW, None, digest="e")).state is gone.state
    again = decide(PLAN, gone.state, seen(NOW, None))
    assert (again.action, again.share) == (Action.ADVANCE, 1.0)


def test_a_guard_that_git_ended_begins_again_when_git_goes_back() -> None:
    state = begun()
    ended = decide(replace_plan(minimum=200), state, seen(NOW, state, digest="b")).state
    assert ended is not None
    back = decide(PLAN, ended, seen(NOW, state))
    assert (back.action, codes(back)) == (Action.HOLD, {"carried"})


def test_a_state_says_why_it_does_not_move_until_it_does() -> None:
    held = look(begun(), begun().since).state
    assert held is not None
    assert [one.code for one in held.reasons] == ["hold"]
    silent = look(held, held.since + 10 * MINUTE, quiet={"errors": 10_000, "revenue": 0}).state
    assert silent is not None
    assert [one.code for one in silent.reasons] == ["silent", "hold"]
    # Between two looks an alarm's round knows less than the look before.
    assert decide(PLAN, silent, seen(NOW + HOUR, silent)).state is silent
    raised = watch(begun(), 2).state
    assert raised is not None
    assert (raised.step, raised.reasons) == (1, ())


def test_a_guard_of_alarms_alone_needs_no_data() -> None:
    bare = plan(guardrails=(), signals=(), alarms=("5xx",))
    state = begun(bare)
    assert asks(bare, state) is None
    found = watch(state, 1, bare)
    assert (found.action, found.share, codes(found)) == (Action.ADVANCE, 10.0, {"alarms-alone"})


def test_a_guard_that_ends_below_the_comparison_group_is_compared_to_the_end() -> None:
    short = plan(steps=(5.0, 25.0))
    state = watch(begun(short), 1, short).state
    assert state is not None
    found = watch(state, 1, short)
    assert (found.action, codes(found)) == (Action.DONE, {"last-step"})


def test_a_step_before_the_last_that_leaves_nobody_to_compare_with_holds() -> None:
    wrong = plan(steps=(60.0, 100.0))
    assert "not-compared" in codes(watch(begun(wrong), 3, wrong))


def test_a_clock_that_jumps_neither_shortens_a_step_nor_counts_earlier_units() -> None:
    state = begun()
    first = look(state, state.since).state
    assert first is not None
    ahead = decide(PLAN, first, seen(NOW + 9 * HOUR, first, aggregates=measure(PLAN, first, NOW + 10 * MINUTE)))
    assert (ahead.action, "stale" in codes(ahead)) == (Action.HOLD, True)
    # Twenty minutes ahead: only the ten count by which the records have moved on.
    little = decide(PLAN, first, seen(NOW + 20 * MINUTE, first, aggregates=measure(PLAN, first, NOW + 10 * MINUTE)))
    assert little.state is not None
    assert little.state.held == 10 * MINUTE
    back = look(first, NOW - 9 * HOUR)
    assert back.state is not None
    assert back.state.held == 0
    stepped = interventions.advance(PLAN, first, seen(NOW - 9 * HOUR, first), "ada").state
    assert stepped is not None
    assert stepped.since == state.since


SIMULATED = plan(
    steps=(5.0, 25.0, 50.0, 100.0),
    minimum=300,
    guardrails=tuple(
        metric(one.name, 20, one.direction, kind="proportion" if not one.sigma else "mean") for one in CROWDS
    ),
)


def simulated(seed: int, harm: float) -> GuardState:
    """The end of a guard over 20,000 simulated users an hour, with a look every ten minutes."""
    generator = np.random.default_rng(seed)
    found = decide(SIMULATED, None, seen(NOW, None, alarms={}))
    users: dict[tuple[str, bool], list[Any]] = {}
    now, step = NOW, 0
    while found.state is not None and found.state.ended is None:
        state, now = found.state, now + 10 * MINUTE
        if state.step != step:
            users, step = {}, state.step
        ask = asks(SIMULATED, state)
        data = None
        if ask is not None:
            places = generator.integers(0, 100_000, 20_000 // 6)
            for crowd in CROWDS:
                for is_reached, group in ((True, ask.reached), (False, ask.compared)):
                    n = int(((places >= group.low) & (places < group.high)).sum())
                    change = crowd.worse(harm) if is_reached else 0.0
                    users.setdefault((crowd.name, is_reached), []).append(
                        crowd.values(crowd.draw(generator, n), change)
                    )
            arms = []
            for is_reached in (True, False):
                values = {crowd.name: np.concatenate(users[crowd.name, is_reached]) for crowd in CROWDS}
                arms.append({name: of_values(one) for name, one in values.items()})
            exposed = tuple(next(iter(arm.values())).moments.n for arm in arms)
            data = aggregates(arms[0], arms[1], (exposed[0], exposed[1]), step=ask.step, since=ask.since, until=now)
        found = decide(SIMULATED, state, seen(now, state, aggregates=data))
    assert found.state is not None
    return found.state


def of_values(values: Any) -> Measured:
    total = float(values.sum())
    return Measured(moments(values), int((values > 0).sum()), float(values.max()) / total if total else 0.0)


def test_guards_of_simulated_users_end_where_they_should() -> None:
    for seed in range(2):
        fine = simulated(seed, 0.0)
        assert fine.ended is not None
        assert (fine.ended.outcome, fine.share) == (Outcome.DONE, 100.0)
        harmful = simulated(seed, 80.0)
        assert harmful.ended is not None
        assert (harmful.ended.outcome, harmful.share) == (Outcome.ROLLED_BACK, 0.0)
        assert harmful.ended.reasons[0].code == "worse"
