"""How a split changes with the fewest users moved."""

from __future__ import annotations

from burgee.review.resplit import layout, moved, stretches


def test_the_least_layout_moves_what_it_must_and_no_more() -> None:
    before = stretches({"a": 50, "b": 25, "c": 25})
    after = {"a": 25_000, "b": 25_000, "c": 50_000}
    best = layout(before, after)
    assert moved(before, best) == 25_000
    assert {arm: sum(high - low for one, low, high in best if one == arm) for arm in after} == after
    assert [low for _, low, _ in best] == [0, *(high for _, _, high in best[:-1])]
