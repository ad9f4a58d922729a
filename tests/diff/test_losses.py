"""What a loss is, value by value, and that headlines, findings and `--fail-on-loss` agree on it."""

from __future__ import annotations

import random

import pytest

from burgee.diff.losses import MoveKind, move_kind
from burgee.diff.outcomes import ABSENT, BROKEN, NO_UNIT, Outcome
from burgee.findings import Code
from burgee.review.change_findings import ReviewedChange, proofs
from support.effects import NOW, changed, generated, snapshot

NO_VALUE = Outcome(None, "null")
ON, OFF = Outcome("on", "true"), Outcome("off", "false")
BLUE, GREEN, RED = Outcome("blue", '"b"'), Outcome("green", '"g"'), Outcome("red", '"r"')
LOSS, SWITCH, GAIN, NEITHER = MoveKind


@pytest.mark.parametrize(
    ("before", "after", "off", "kind"),
    [
        (ON, OFF, (OFF, OFF), LOSS),
        (OFF, ON, (OFF, OFF), GAIN),
        (ON, OFF, (NO_VALUE, NO_VALUE), LOSS),  # booleans without an off variant
        (OFF, ON, (NO_VALUE, NO_VALUE), GAIN),
        (ON, OFF, (ON, ON), LOSS),  # whose off variant is true: false is nothing all the same
        (OFF, ON, (ON, ON), GAIN),
        (ON, Outcome("on", "false"), (OFF, OFF), LOSS),  # the value changes under its name
        (OFF, NO_VALUE, (OFF, NO_VALUE), NEITHER),
        (ON, ABSENT, (OFF, ABSENT), LOSS),
        (ON, BROKEN, (OFF, OFF), LOSS),
        (ON, NO_UNIT, (OFF, OFF), LOSS),
        (OFF, ABSENT, (OFF, ABSENT), NEITHER),
        (ABSENT, OFF, (ABSENT, OFF), NEITHER),
        (ABSENT, ON, (ABSENT, OFF), GAIN),
        (GREEN, BLUE, (BLUE, BLUE), LOSS),
        (BLUE, GREEN, (BLUE, BLUE), GAIN),
        (GREEN, RED, (BLUE, BLUE), SWITCH),
        (BLUE, GREEN, (NO_VALUE, NO_VALUE), SWITCH),  # without an off variant every value counts
        (GREEN, NO_VALUE, (NO_VALUE, NO_VALUE), LOSS),
        (NO_VALUE, GREEN, (NO_VALUE, NO_VALUE), GAIN),
        (GREEN, Outcome("green", '"b"'), (BLUE, BLUE), LOSS),  # its value becomes that of the off variant
        (GREEN, Outcome("green", '"x"'), (BLUE, BLUE), SWITCH),
        (GREEN, Outcome("lime", '"g"'), (BLUE, Outcome("lime", '"g"')), SWITCH),  # the same value: nothing is taken
        (BLUE, Outcome("blue", '"x"'), (BLUE, Outcome("blue", '"x"')), SWITCH),  # another value of the off variant
        (ON, Outcome("on", '"x"'), (OFF, Outcome("off", '"y"')), LOSS),  # another type
        (GREEN, Outcome("green", "1"), (NO_VALUE, NO_VALUE), LOSS),
    ],
)
def test_the_kind_of_a_move(before: Outcome, after: Outcome, off: tuple[Outcome, Outcome], kind: MoveKind) -> None:
    assert move_kind(before, after, off) is kind


@pytest.mark.parametrize("seed", range(40))
def test_findings_name_exactly_the_flags_that_lose(seed: int) -> None:
    source = random.Random(seed)
    before, after = generated(source), generated(source)
    effects = changed(before, after)
    losing = {name for name, effect in effects.items() if effect.losing()}
    found = proofs(ReviewedChange(before, after, list(effects.values()), NOW))
    assert {one.flag for one in found if one.code in {Code.WITHDRAWN, Code.LOWERED}} == losing


def test_a_loss_by_client_keys_says_who_asks() -> None:
    before, after = ({"f": {"status": True, "client": client}} for client in (True, False))
    old, new = snapshot(before), snapshot(after)
    (found,) = proofs(ReviewedChange(old, new, list(changed(old, new).values()), NOW))
    assert found.message.startswith("100 % of all users, asking with a client key, lose on")
