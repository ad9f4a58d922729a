from __future__ import annotations

import json
from dataclasses import replace

import pytest

from burgee.guards.judgement import Reason
from burgee.guards.state import Ended, GuardState, Outcome, Pause
from support.guards import NOW

STATE = GuardState("checkout", "abc", 7, 2, 25.0, 5.0, NOW)


@pytest.mark.parametrize(
    "state",
    [
        STATE,
        replace(STATE, version=9, held=5, looked=NOW + 1, until=NOW, looks=3),
        replace(STATE, approved=frozenset({3, 1}), known=frozenset({"errors", "alarm"})),
        replace(STATE, pause=Pause("signal", "guard", NOW, "revenue is worse", ("revenue",))),
        replace(STATE, plan="def", reasons=(Reason("few-units", "errors", "7 of 500", {"units": 7}),)),
        replace(STATE, ended=Ended(Outcome.ROLLED_BACK, NOW, 0.0, (Reason("worse", "errors", "worse", {"z": 4.2}),))),
        replace(STATE, ended=Ended(Outcome.CHANGED, NOW, 25.0, (Reason("changed", None, "changed"),))),
    ],
)
def test_a_state_is_the_same_after_it_was_stored(state: GuardState) -> None:
    assert GuardState.of_record(json.loads(json.dumps(state.as_record()))) == state


def test_a_state_that_an_earlier_version_stored_has_no_reasons_and_the_plan_of_nobody() -> None:
    record = replace(STATE, plan="def").as_record()
    del record["plan"]
    assert GuardState.of_record(record) == STATE


def test_a_state_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="format 2"):
        GuardState.of_record({**STATE.as_record(), "format": 2})
