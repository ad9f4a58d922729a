"""How far a comparison is: shown past a second, by a clock that the test moves."""

from __future__ import annotations

from burgee.cli.render.progress import Watch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_quick_comparison_shows_nothing() -> None:
    lines: list[str] = []
    clock = Clock()
    watch = Watch(show=lines.append, clock=clock)
    watch.begin("a")
    clock.now += 0.9
    assert not watch.is_over()
    watch.clear()
    assert lines == []


def test_past_a_second_the_flag_is_shown_a_few_times_a_second_and_taken_away() -> None:
    lines: list[str] = []
    clock = Clock()
    watch = Watch(show=lines.append, clock=clock)
    watch.begin("a")
    watch.begin("b")
    for _ in range(100):
        clock.now += 0.02
        assert not watch.is_over()
    watch.clear()
    assert lines[0] == "comparing: 2 begun, now b; 1 s"
    assert 4 <= len(lines) <= 7
    assert lines[-1] == ""


def test_a_budget_is_over_after_its_seconds() -> None:
    clock = Clock()
    watch = Watch(2.5, clock=clock)
    clock.now += 2.4
    assert not watch.is_over()
    clock.now += 0.2
    assert watch.is_over()
