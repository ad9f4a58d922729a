"""What a person does to a guard: each step, and what refuses it."""

from __future__ import annotations

import pytest

from burgee.errors import Refused
from burgee.guards import interventions
from burgee.guards.driver import decide
from burgee.guards.transitions import Action, Serving
from support.guards import (
    HOUR,
    NOW,
    PLAN,
    begun,
    codes,
    look,
    plan,
    replace_plan,
    seen,
    watch,
)


def test_a_harm_of_on_harm_hold_waits_for_a_person() -> None:
    hold = replace_plan(on_harm="hold")
    state = begun(hold)
    found = look(state, state.since, hold, harm=1.5)
    assert (found.action, found.share) == (Action.HOLD, None)
    assert found.state is not None
    assert found.state.pause is not None
    assert (found.state.pause.code, found.state.pause.subjects) == ("harm", ("errors",))
    assert watch(found.state, 3, hold).action is Action.HOLD
    resumed = interventions.resume(hold, found.state, seen(NOW + HOUR, found.state), "ada")
    assert resumed.share is None
    assert resumed.state is not None
    assert watch(resumed.state, 1, hold, harm=1.5).action is Action.ADVANCE
    # What is known in one step is not known in the next.
    after = watch(resumed.state, 1, hold, harm=1.5).state
    assert after is not None
    assert after.known == frozenset()


def test_before_its_first_step_a_guard_serves_nothing_for_a_person() -> None:
    beside = Serving(None, "ada")
    paused = decide(PLAN, None, seen(NOW, None, serving=beside)).state
    assert paused is not None
    assert paused.pause is not None
    resumed = interventions.resume(PLAN, paused, seen(NOW, None, serving=beside), "ada")
    assert (resumed.share, resumed.state and resumed.state.pause) == (None, None)
    assert decide(PLAN, resumed.state, seen(NOW, None)).action is Action.ADVANCE


def test_a_step_waits_for_a_person_who_approves_it() -> None:
    waits = replace_plan(approve=frozenset({1}))
    state = begun(waits)
    held = watch(state, 3, waits)
    assert (held.action, codes(held)) == (Action.HOLD, {"approval"})
    assert held.state is not None
    approved = interventions.approve(waits, held.state, seen(NOW, held.state), "ada")
    assert approved.state is not None
    assert look(approved.state, NOW + 4 * HOUR, waits).action is Action.ADVANCE
    with pytest.raises(Refused, match="does not wait"):
        interventions.approve(waits, approved.state, seen(NOW, held.state), "ada")
    with pytest.raises(Refused, match="does not wait"):
        interventions.approve(PLAN, begun(), seen(NOW, state), "ada")
    first = replace_plan(approve=frozenset({0}))
    assert codes(decide(first, None, seen(NOW, None))) == {"approval"}


def test_a_person_pauses_steps_and_stops() -> None:
    state = begun()
    paused = interventions.pause(PLAN, state, seen(NOW, state), "ada", "lunch").state
    assert paused is not None
    assert watch(paused, 5).action is Action.HOLD
    assert look(paused, state.since, harm=1.5).action is Action.ROLL_BACK
    with pytest.raises(Refused, match="paused by ada: lunch"):
        interventions.pause(PLAN, paused, seen(NOW, state), "bob")
    with pytest.raises(Refused, match="not paused"):
        interventions.resume(PLAN, state, seen(NOW, state), "ada")
    found = interventions.advance(PLAN, paused, seen(NOW, state), "ada")
    assert (found.action, found.share) == (Action.ADVANCE, 10.0)
    assert found.state is not None
    assert found.state.pause is None
    with pytest.raises(Refused, match="burgee guard resume checkout"):
        interventions.advance(PLAN, state, seen(NOW, state, serving=Serving(None, "bob")), "ada")
    stopped = interventions.stop(PLAN, found.state, seen(NOW, found.state), "ada")
    assert stopped.share is None
    assert stopped.state is not None
    assert stopped.state.share == 10.0
    back = interventions.stop(PLAN, found.state, seen(NOW, found.state), "ada", back=True)
    assert back.share == 0.0
    beside = interventions.stop(
        PLAN, found.state, seen(NOW, found.state, serving=Serving(None, "bob")), "ada", back=True
    )
    assert beside.share is None
    for act in (
        interventions.pause,
        interventions.resume,
        interventions.advance,
        interventions.approve,
        interventions.stop,
    ):
        with pytest.raises(Refused, match="has ended"):
            act(PLAN, stopped.state, seen(NOW, state), "ada")
        with pytest.raises(Refused, match="changed in Git"):
            act(PLAN, state, seen(NOW, state, digest="b"), "ada")


def test_after_the_last_step_a_person_ends_it() -> None:
    last = plan(steps=(5.0,), signals=())
    state = begun(last)
    found = interventions.advance(last, state, seen(NOW, state), "ada")
    assert (found.action, found.share) == (Action.DONE, None)
