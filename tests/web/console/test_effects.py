"""An effect in sentences: what a guard's steps change is said after what changes at once."""

from __future__ import annotations

from burgee.diff.effect import effects
from burgee.diff.records import flag_records
from burgee.web.console.effects import in_sentences
from burgee.web.console.words import NO_BREAK
from support.effects import NOW, ON, snapshot

GUARD = {"steps": [1, 100], "hold": "1h", "alarms": ["errors"]}


def test_the_steps_of_a_guard_come_later() -> None:
    flag = {**ON, "rollout_percentage": 0}
    found = effects(snapshot({"f": flag}), snapshot({"f": {**flag, "guard": GUARD}}), NOW)
    said = in_sentences(flag_records(found), "f", {"f": {"on": 0, "off": 1}})
    assert (said.mood, said.first) == ("is-good", "Nobody moves now.")
    notes = [note.replace(NO_BREAK, " ") for note in said.notes]
    assert notes == [
        "From step 1 % of the guard: 1 % of all users get on.",
        "From step 100 % of the guard: 99 % of all users get on.",
    ]
