"""Shares in words."""

from __future__ import annotations

from fractions import Fraction

import pytest

from burgee.diff.flag_effect import Move
from burgee.diff.losses import MoveKind
from burgee.diff.outcomes import Outcome
from burgee.diff.wording import percent, share_of


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (Fraction(1), "100 %"),
        (Fraction(0), "0 %"),
        (Fraction(1, 20), "5 %"),
        (Fraction(1, 8), "12.5 %"),
        (Fraction(12345, 100_000), "12.345 %"),
        (Fraction(1, 3), "33.333333 %"),
        (Fraction(1, 100_000), "0.001 %"),
        (Fraction(1, 10**10), "1 in 10,000,000,000"),
        (1 - Fraction(1, 10**10), "all but 1 in 10,000,000,000"),
    ],
)
def test_a_share_never_reads_as_nothing_or_all_when_it_is_not(share: Fraction, words: str) -> None:
    assert percent(share) == words


@pytest.mark.parametrize(
    ("error", "words"), [(0.0, "about 50.0 % ± 0.1"), (0.00001, "about 50.0 % ± 0.1"), (0.01, "about 50.0 % ± 2.0")]
)
def test_a_drawn_share_is_never_said_to_have_no_error(error: float, words: str) -> None:
    outcomes = Outcome("on", "true"), Outcome("off", "false")
    assert share_of(Move(*outcomes, Fraction(1, 2), None, MoveKind.LOSS, error)) == words
