"""Guards through random histories of data, alarms, clocks, writes and people: each keeps to its plan."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from burgee.errors import Conflict, Refused
from burgee.guards import interventions
from burgee.guards.driver import STALE, decide
from burgee.guards.state import GuardState, Outcome
from burgee.guards.transitions import GUARD, Action, Decision, Seen, Serving
from support.guards import HOUR, MINUTE, NOW, PLAN, measure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from burgee.guards.aggregates import Aggregates
    from burgee.guards.plan import GuardPlan

RUNS = int(os.environ.get("BURGEE_GUARD_RUNS", "150"))


@dataclass
class World:
    """A store with one flag, records of its users, and the truth that no driver sees."""

    git: tuple[GuardPlan | None, str] = (PLAN, "0")
    true: int = NOW
    revision: int = 0
    record: Mapping[str, Any] | None = None
    override: tuple[float | None, str] | None = None
    left: bool = False
    killed: bool = False
    data: str = "healthy"
    frozen: int = NOW
    alarm: bool | None = False
    skew: list[int] = field(default_factory=lambda: [0, 0])
    edits: int = 0
    raised: dict[tuple[str, int], tuple[int, float]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def serving(self) -> Serving:
        if self.override is None:
            return Serving(killed=self.killed)
        share, author = self.override
        mine = author == GUARD and not self.killed
        return Serving(share if mine else None, None if mine else author, self.killed, mine and self.left)

    def write(self, override: tuple[float | None, str] | None, *, killed: bool = False) -> None:
        """What an operator does."""
        self.override, self.killed, self.revision = override, killed, self.revision + 1

    def edit(self, given: GuardPlan | None) -> None:
        """A release that changes the flag; the override stays."""
        self.edits += 1
        self.git, self.revision = (given, str(self.edits)), self.revision + 1

    def revert(self) -> None:
        """A release without the guard and one with it again, between two rounds."""
        self.left, self.revision = self.override is not None, self.revision + 2

    def merge(self, given: GuardPlan | None) -> None:
        """A release in which the share of the guard's override is in the file, so that the override goes."""
        share, author = self.override or (None, "")
        if given is None or share is None or author != GUARD or self.killed:
            return
        steps = tuple(step for step in given.steps if step > share)
        self.override = None
        self.edit(replace(given, begins=share, steps=steps, approve=frozenset()) if steps else None)

    def commit(self, decision: Decision, expected: int, before: Mapping[str, Any] | None) -> None:
        """One conditional transaction, as a store makes it."""
        if expected != self.revision or before != self.record:
            raise Conflict("another writer was first")
        assert decision.state is not None
        self.record = decision.state.as_record()
        self.revision += 1
        if decision.share is not None:
            given = self.git[0]
            assert given is not None
            self.override = None if decision.share == given.begins else (decision.share, GUARD)
            self.left = False


SOUND = ("healthy", "harm", "signal")
"""Data that are not missing."""


def drive(world: World, which: int, act: str = "decide") -> Generator[None, None, None]:
    """A driver, or a person's command, that can crash wherever it yields."""
    given, digest = world.git
    revision, record, serving = world.revision, world.record, world.serving
    state = None if record is None else GuardState.of_record(record)
    yield
    # An alarm that a person has seen, and lets the step go on with, no longer acts in it.
    sound, known = world.data in SOUND, world.alarm is False or (state is not None and "5xx" in state.known)
    if state is not None and world.data in SOUND[1:]:
        # A person who has seen a harm lets the step go on with it.
        sound = {"harm": "errors", "signal": "revenue"}[world.data] in state.known
    if state is not None and world.data == "frozen":
        sound = state.until is None or state.until < world.frozen
    data = None if given is None or state is None or state.ended else observe(world, given, state)
    alarms = {} if world.alarm is None else {"5xx": world.alarm}
    yield
    at = Seen(world.true + world.skew[which], digest, world.edits, serving, alarms, data)
    if act == "decide":
        found = decide(given, state, at)
    elif given is None or state is None:
        return
    else:
        try:
            found = getattr(interventions, act)(given, state, at, "ada")
        except Refused:
            return
    yield
    if found.state is state:
        assert found.share is None
        return
    try:
        world.commit(found, revision, record)
    except Conflict:
        world.counts["conflict"] += 1
        return
    check(world, given, state, found, (act, serving, sound, known))


def check(
    world: World,
    given: GuardPlan | None,
    before: GuardState | None,
    found: Decision,
    how: tuple[str, Serving, bool, bool],
) -> None:
    """What must hold for whatever has been committed."""
    act, serving, sound, known = how
    after = found.state
    assert after is not None
    assert before is None or after.version > before.version
    world.counts[f"{act}: {found.action}" if act != "decide" else str(found.action)] += 1
    ours = serving.share is not None or serving.other is None
    if found.share is not None and act != "resume":
        assert ours, "wrote over an operator"
        assert not serving.killed, "wrote over a kill"
    if before is not None and after.ended is not None and after.ended.outcome is Outcome.CHANGED:
        # Whatever guard the flag has from now on is another, word for word the same or not.
        world.raised = {key: began for key, began in world.raised.items() if key[0] != before.digest}
    if found.share is None:
        return
    assert before is None or before.step < 0 or before.ended or not serving.left, "went on without exposures"
    assert given is not None
    reached = given.begins if before is None or before.digest != after.digest else before.share
    if found.action is Action.ADVANCE:
        if before is not None and before.ended is not None:
            assert before.plan != given.digest, "began again though nobody has changed the plan"
        # The next step of the plan, and no other; each is taken once, and nobody loses the flag.
        assert found.share > (serving.share or given.begins)
        assert found.share == min(step for step in given.steps if step > reached), "above the plan"
        assert (after.digest, after.step) not in world.raised, "a second override for one step"
        if act == "decide":
            assert known, "advanced while an alarm fired or was unknown"
            approved = frozenset[int]() if before is None else before.approved
            assert after.step not in given.approve or after.step in approved, "advanced without a person"
            if before is not None and before.digest == after.digest and before.step >= 0:
                compared = before.step < len(given.steps) - 1
                assert sound or not compared, f"advanced on {world.data} data"
                began = world.raised[before.digest, before.step][0]
                assert world.true - began >= given.hold or not compared, "held for too short a time"
        world.raised[after.digest, after.step] = world.true, found.share
    else:
        assert found.share in {given.begins, after.share}
        assert found.share <= max(given.steps), "above the plan"


def observe(world: World, given: GuardPlan, state: GuardState) -> Aggregates | None:
    """Aggregates as the world's data are."""
    if world.data == "missing":
        return None
    more = KINDS.get(world.data, {})
    until = {"stale": world.true - STALE - 11 * HOUR, "frozen": world.frozen}.get(world.data, world.true)
    since = {"since": state.since - 1} if world.data == "old" else {}
    return measure(given, state, **{"until": until, **since, **more})


KINDS: dict[str, dict[str, Any]] = {
    "missing": {},
    "stale": {},
    "frozen": {},
    "old": {},
    "few": {"line": 100},
    "harm": {"harm": 1.5},
    "signal": {"signal": 0.5},
    "silent": {"quiet": {"errors": 10_000, "revenue": 0}},
    "faulty": {"faults": ("unreadable",)},
}
"""Data that are not healthy."""
PLANS = (
    PLAN,
    replace(PLAN, steps=(5.0, 10.0, 30.0, 100.0)),
    replace(PLAN, steps=(2.0, 40.0, 100.0), approve=frozenset({1, 2})),
    replace(PLAN, steps=(10.0, 20.0, 50.0, 100.0), on_harm="hold", hold=3 * HOUR),
    None,
)
ACTS = ("pause", "resume", "advance", "approve", "stop")
EVENTS = st.one_of(
    *[st.tuples(st.just("watch"), st.integers(2, 14))] * 3,
    st.tuples(st.just("start"), st.integers(0, 1)),
    *[st.tuples(st.just("go"), st.integers(0, 1))] * 5,
    st.tuples(st.just("race"), st.integers(1, 4)),
    st.tuples(st.just("race"), st.integers(1, 4)),
    st.tuples(st.just("crash"), st.integers(0, 1)),
    st.tuples(st.just("pass"), st.integers(1, 180)),
    st.tuples(st.just("jump"), st.tuples(st.integers(0, 1), st.integers(-600, 600))),
    st.tuples(st.just("jump"), st.tuples(st.just(0), st.integers(-60, 60))),
    st.tuples(st.just("data"), st.sampled_from([*KINDS])),
    st.tuples(st.just("data"), st.just("healthy")),
    st.tuples(st.just("alarm"), st.sampled_from([True, False, False, None])),
    st.tuples(st.just("operator"), st.sampled_from(["override", "lift", "kill", "revive"])),
    st.tuples(st.just("act"), st.sampled_from(ACTS)),
    st.tuples(st.just("edit"), st.integers(0, len(PLANS) - 1)),
    st.tuples(st.just("revert"), st.none()),
    st.tuples(st.just("merge"), st.integers(0, len(PLANS) - 1)),
)


def whole(world: World, which: int, act: str = "decide") -> None:
    for _ in drive(world, which, act):
        pass


def play(world: World, events: list[tuple[str, Any]]) -> None:
    drivers: list[Generator[None, None, None] | None] = [None, None]
    for kind, value in events:
        if kind == "watch":
            for _ in range(value):
                world.true += 10 * MINUTE
                whole(world, 0)
        elif kind == "start":
            drivers[value] = drive(world, value)
        elif kind == "go":
            going = drivers[value] or drive(world, value)
            drivers[value] = None if next(going, "over") == "over" else going
        elif kind == "race":
            race(world, value)
        elif kind == "crash":
            drivers[value] = None
        elif kind == "act":
            whole(world, 1, value)
        else:
            CHANGES[kind](world, value)


def turn(world: World, data: str) -> None:
    world.data, world.frozen = data, world.true


def jump(world: World, value: tuple[int, int]) -> None:
    world.skew[value[0]] = value[1] * MINUTE


def race(world: World, steps: int) -> None:
    """A driver stops after some steps while the other makes a whole round."""
    world.true += 10 * MINUTE
    slow = drive(world, 1)
    for _ in range(steps):
        next(slow, None)
    whole(world, 0)
    for _ in slow:
        pass


def operate(world: World, what: str) -> None:
    if what == "override":
        world.write((7.0, "ada"))
    elif what == "lift":
        world.write(None)
    elif what == "kill":
        world.write((None, "ada"), killed=True)
    elif world.killed:
        world.write((3.0, "ada"))


CHANGES: dict[str, Callable[[World, Any], None]] = {
    "pass": lambda world, minutes: setattr(world, "true", world.true + minutes * MINUTE),
    "jump": jump,
    "data": turn,
    "alarm": lambda world, firing: setattr(world, "alarm", firing),
    "operator": operate,
    "edit": lambda world, number: world.edit(PLANS[number]),
    "revert": lambda world, _nothing: world.revert(),
    "merge": lambda world, number: world.merge(PLANS[number]),
}


def test_whatever_happens_a_guard_keeps_to_its_plan() -> None:
    total: Counter[str] = Counter()

    @settings(max_examples=RUNS)
    @given(st.integers(0, 3), st.lists(EVENTS, min_size=15, max_size=80))
    def run(first: int, events: list[tuple[str, Any]]) -> None:
        world = World((PLANS[first], "0"))
        play(world, events)
        harm_ends_what_is_served(world)
        total.update({**world.counts, "runs": 1})

    run()
    # A generator that reaches nothing would prove nothing.
    assert {"advance", "hold", "roll_back", "done", "conflict"} <= total.keys(), total
    if RUNS >= 1000:
        assert {"advance: advance", "stop: done"} <= total.keys(), total
        assert {f"{act}: hold" for act in ("pause", "resume", "approve")} <= total.keys(), total
    print(dict(total))


def harm_ends_what_is_served(world: World) -> None:
    """Whatever has happened, an alarm ends what a guard serves, in one round."""
    given, digest = world.git
    state = None if world.record is None else GuardState.of_record(world.record)
    if given is None or state is None or state.ended or state.digest != digest or state.step < 0:
        return
    if world.serving != Serving(state.share) or given.on_harm == "hold" or state.known or not given.alarms:
        return
    world.skew, world.alarm = [0, 0], True
    whole(world, 0)
    assert world.record is not None
    ended = GuardState.of_record(world.record).ended
    assert ended is not None
    assert ended.outcome is Outcome.ROLLED_BACK
    assert world.override is None


def test_two_drivers_at_once_make_one_override() -> None:
    """Each stops before each of its steps while the other makes a whole round."""
    for stop in range(4):
        world = World()
        for _ in range(7):
            world.true += 10 * MINUTE
            whole(world, 0)
        state = GuardState.of_record(world.record or {})
        assert state.held == HOUR - 10 * MINUTE
        world.true += 10 * MINUTE
        slow = drive(world, 1)
        for _ in range(stop):
            next(slow)
        whole(world, 0)
        assert world.override == (10.0, GUARD)
        for _ in slow:
            pass
        assert world.override == (10.0, GUARD)
        assert world.counts["conflict"] == (1 if stop else 0)
