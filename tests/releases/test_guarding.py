"""Guards on a store: state and override are one commit, whatever else is written at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Conflict, Refused, StoreUnavailable
from burgee.evaluation.bucketing import bucket
from burgee.evaluation.ruleset import Ruleset
from burgee.events.guard_groups import guard_groups
from burgee.flagfile.compile import compile_file
from burgee.guards import interventions
from burgee.guards.aggregates import Aggregates, Arm, Measured, Moments
from burgee.guards.driver import asks
from burgee.guards.state import Outcome
from burgee.guards.transitions import Action
from burgee.releases.deploy import CanaryRequest, Consent, apply, live, write
from burgee.releases.guarding import FAILED, act, guards, run, sentence, serving
from burgee.releases.overrides import killed, lay, lift
from burgee.stores import Change, Origin, Put, Shelf
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from burgee.guards.plan import GuardPlan
    from burgee.guards.state import GuardState
    from burgee.guards.transitions import Decision, Seen
    from burgee.stores import Store

NOW = 1_800_000_000.0
FILE = """\
version: 1
metrics:
  errors: {kind: proportion, event: error, direction: decrease, window: 1m}
flags:
  checkout:
    status: on
    rollout_percentage: 0
    guard: {steps: [10, 30, 100], hold: 1h, minimum: 100, guardrails: {errors: {margin: 10}}}
  other: {status: on}
"""
RULED = FILE.replace(
    """\
    rollout_percentage: 0
    guard: {steps""",
    """\
    default: {serve: off}
    rules:
    - name: pros
      when: {plan: pro}
      rollout_percentage: 0
      guard: {steps""",
)
WITHOUT = FILE.replace(FILE[FILE.index("    guard:") : FILE.index("  other:")], "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "state.sqlite")
    released(store, tmp_path, FILE)
    yield store
    store.close()


def released(store: Store, folder: Path, text: str) -> None:
    path = folder / "flags.yaml"
    path.write_text(text, encoding="utf-8")
    apply(store, compile_file(path), Origin(), AuditContext("release.activate", "ci", "", NOW))


def by(action: str = "guard.pause", at: float = NOW, author: str = "ada") -> AuditContext:
    return AuditContext(action, author, "", at)


def at(now: float) -> Callable[[], float]:
    return lambda: now


class Looks:
    """Measures a step: as many units as are wanted in each group, with these rates of errors."""

    def __init__(self, reached: float = 0.1, compared: float = 0.1, units: int = 2_000) -> None:
        self.rates, self.units, self.now = (reached, compared), units, NOW

    def __call__(self, plan: GuardPlan, state: GuardState) -> Aggregates | None:
        ask = asks(plan, state)
        if ask is None:
            return None
        share = ask.reached.share / (ask.reached.share + ask.compared.share)
        sizes = round(self.units * share), round(self.units * (1 - share))
        reached, compared = (
            Arm(n, {"errors": Measured(moments(n, rate), round(n * rate))})
            for n, rate in zip(sizes, self.rates, strict=True)
        )
        return Aggregates(ask.step, ask.since, int(self.now * 1000), reached, compared, {"errors": 0})


def moments(n: int, rate: float) -> Moments:
    return Moments(n, {"value": rate}, {("value", "value"): rate * (1 - rate)})


def rounds(store: Store, looks: Looks, hours: float, start: float = 0.0) -> list[tuple[float, Action]]:
    """A round every ten minutes: the hour of each that did more than hold, and what it did."""
    found: list[tuple[float, Action]] = []
    for number in range(round(hours * 6)):
        looks.now = NOW + (start + number / 6) * 3_600
        actions = [one.decision.action for one in run(store, at(looks.now), looks, {})]
        found += [(round(start + number / 6, 2), one) for one in actions if one is not Action.HOLD]
    return found


def share(store: Store) -> Any:
    override = store.state().overrides.get("checkout")
    assert override is not None
    assert override.definition is not None
    return override.definition["rollout_percentage"]


def test_a_harmless_release_reaches_everyone_and_its_override_says_so_without_the_guard(store: SqliteStore) -> None:
    assert [action for _, action in rounds(store, Looks(), 8)] == [Action.ADVANCE] * 3 + [Action.DONE]
    state, snapshot = live(store)
    assert state.overrides["checkout"].definition == {
        key: 100 if key == "rollout_percentage" else value
        for key, value in snapshot["flags"]["checkout"].items()
        if key != "guard"
    }
    assert guards(store, NOW)[0].is_running is False
    revision = store.pointer().revision
    assert rounds(store, Looks(), 2, start=8) == []
    assert store.pointer().revision == revision


def test_a_harmful_release_goes_back_and_says_why(store: SqliteStore) -> None:
    done = rounds(store, Looks(reached=0.3), 3)
    assert [action for _, action in done] == [Action.ADVANCE, Action.ROLL_BACK]
    assert share(store) == 0
    override = store.state().overrides["checkout"]
    assert "errors is worse by more than 10 %" in override.reason
    entry = next(entry for entry in store.audit() if entry.action == "guard.roll_back")
    assert (entry.actor, entry.flag) == ("guard", "checkout")
    assert (entry.before or {})["rollout_percentage"] == 10


def test_missing_records_hold_for_ever(store: SqliteStore) -> None:
    for hour in range(100):
        (one,) = run(store, at(NOW + hour * 3_600), lambda _plan, _state: None, {})
        assert one.decision.action is (Action.HOLD if hour else Action.ADVANCE)
    assert share(store) == 10


def test_a_step_serves_exactly_the_first_part_of_the_hash_line(tmp_path: Path) -> None:
    with_rule = SqliteStore(tmp_path / "state.sqlite")
    released(with_rule, tmp_path, RULED)
    rounds(with_rule, Looks(), 1.5)
    state, snapshot = live(with_rule)
    served = Ruleset(snapshot, state.overrides.values())
    people = [f"user-{number}" for number in range(2_000)]
    for person in people:
        got = served.evaluate("checkout", {"targetingKey": person, "plan": "pro"}).value
        assert got is (bucket(person, "checkout") < 30_000)
        assert served.evaluate("checkout", {"targetingKey": person}).value is False
    with_rule.close()


def test_an_operator_pauses_it_and_a_person_lets_it_go_on(store: SqliteStore) -> None:
    rounds(store, Looks(), 0.5)
    write(store, lambda state, snapshot: lay(state, snapshot, "checkout", _edited(state, 5), by("override.set")))
    assert rounds(store, Looks(), 3, start=1) == []
    (guard,) = guards(store, NOW)
    assert guard.state is not None
    assert guard.state.pause is not None
    assert (guard.state.pause.code, guard.state.pause.by) == ("override", "ada")
    assert share(store) == 5
    act(store, "checkout", by("guard.resume", NOW + 5 * 3_600), interventions.resume)
    assert share(store) == 10
    assert store.state().overrides["checkout"].author == "guard"
    entry = next(entry for entry in store.audit() if entry.action == "guard.resume")
    assert entry.actor == "ada"


def _change(store: Store, change: dict[str, Any]) -> None:
    """An operator's write of some keys of the flag as it is served; None removes one."""
    served = store.state().overrides["checkout"].definition or {}
    wanted = {key: value for key, value in {**served, **change}.items() if value is not None}
    write(store, lambda state, snapshot: lay(state, snapshot, "checkout", wanted, by("flag.update")))


def _edited(state: Any, percentage: int) -> dict[str, Any]:
    return {**state.overrides["checkout"].definition, "rollout_percentage": percentage}


def test_a_kill_beats_a_guard(store: SqliteStore) -> None:
    rounds(store, Looks(), 0.5)
    write(
        store,
        lambda state, snapshot: lay(
            state, snapshot, "checkout", killed(state.overrides["checkout"].definition or {}), by("override.kill")
        ),
    )
    assert rounds(store, Looks(), 5, start=1) == []
    assert (store.state().overrides["checkout"].definition or {})["status"] is False
    with pytest.raises(Refused, match="killed"):
        act(store, "checkout", by("guard.resume", NOW + 7 * 3_600), interventions.resume)
    write(store, lambda state, snapshot: lift(state, snapshot, "checkout", by("override.clear")))
    act(store, "checkout", by("guard.resume", NOW + 7 * 3_600), interventions.resume)
    assert share(store) == 10


def test_a_flag_that_was_taken_away_does_not_come_back_with_its_guard(store: SqliteStore) -> None:
    rounds(store, Looks(), 0.5)
    write(store, lambda state, snapshot: lay(state, snapshot, "checkout", None, by("flag.delete")))
    assert rounds(store, Looks(), 5, start=1) == []
    with pytest.raises(Refused, match="override clear"):
        act(store, "checkout", by("guard.resume", NOW + 7 * 3_600), interventions.resume)
    assert store.state().overrides["checkout"].definition is None


@pytest.mark.parametrize("flag", ["checkout", "other"])
def test_an_override_neither_adds_nor_changes_a_guard(store: SqliteStore, flag: str) -> None:
    """Nothing would run it: guards are read from the release. What it changes beside the guard is its own."""
    guard = {"steps": [20, 60], "hold": "2h", "guardrails": {"errors": {"margin": 10}}}
    wanted = {"status": True, "rollout_percentage": 0, "guard": guard}
    with pytest.raises(Refused, match="write it there, or propose it"):
        write(store, lambda state, snapshot: lay(state, snapshot, flag, wanted, by("flag.update")))
    assert store.state().overrides == {}
    rounds(store, Looks(), 0.5)
    for change in ({"rollout_percentage": 5}, {"rollout_percentage": 70}, {"guard": None}):
        _change(store, change)
    assert "guard" not in (store.state().overrides["checkout"].definition or {})


def test_what_a_person_stops_stays_or_goes_back(store: SqliteStore) -> None:
    rounds(store, Looks(), 1.5)
    act(store, "checkout", by("guard.stop", NOW + 7_200), interventions.stop)
    assert share(store) == 30
    assert guards(store, NOW)[0].state is not None
    with pytest.raises(Refused, match="has ended"):
        act(store, "checkout", by("guard.stop", NOW + 7_300), interventions.stop)
    with pytest.raises(Refused, match="no guard"):
        act(store, "other", by(), interventions.stop)


def test_of_two_drivers_at_once_one_takes_the_step(store: SqliteStore) -> None:
    rounds(store, Looks(), 0.5)
    looks = Looks()

    def together(plan: GuardPlan, state: GuardState) -> Aggregates | None:
        """While the first driver measures, the second does the whole round."""
        if state.step == 0 and not raced:
            raced.append(state.step)
            run(store, at(NOW + 4_000), looks, {})
        return looks(plan, state)

    raced: list[int] = []
    for hour in (0.6, 0.8, 1.0, 1.2):
        looks.now = NOW + hour * 3_600
        run(store, at(looks.now), looks, {})
    looks.now = NOW + 4_000
    run(store, at(NOW + 4_000), together, {})
    state = guards(store, NOW)[0].state
    assert state is not None
    assert (state.step, state.share, share(store)) == (1, 30.0, 30)
    assert sum(entry.action == "guard.advance" for entry in store.audit()) == 2


def test_of_two_people_who_take_the_next_step_at_once_one_is_refused(store: SqliteStore) -> None:
    rounds(store, Looks(), 0.5)

    def together(plan: GuardPlan, state: GuardState, seen: Seen, author: str) -> Decision:
        if not raced:
            raced.append(author)
            act(store, "checkout", by("guard.advance", NOW + 1_900, "ben"), interventions.advance)
        return interventions.advance(plan, state, seen, author)

    raced: list[str] = []
    with pytest.raises(Refused, match="look at it again"):
        act(store, "checkout", by("guard.advance", NOW + 1_900), together)
    assert share(store) == 30


def test_a_commit_that_fails_leaves_state_and_override_as_they_were(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds(store, Looks(), 0.5)
    before, record = store.state(), store.find(Shelf.GUARDS, "checkout")

    def conflict(_change: Change, *, expected: int) -> Any:
        raise Conflict(f"another writer was first after {expected}")

    monkeypatch.setattr(store, "commit", conflict)
    with pytest.raises(Conflict):
        act(store, "checkout", by("guard.advance", NOW + 7_200), interventions.advance)
    assert (store.state(), store.find(Shelf.GUARDS, "checkout")) == (before, record)


def test_a_guard_waits_while_the_release_is_a_canary(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(FILE.replace("other: {status: on}", "other: {status: off}"), encoding="utf-8")
    consent = Consent(canary=CanaryRequest(5, 3_600))
    apply(store, compile_file(path), Origin(), AuditContext("release.activate", "ci", "", NOW), consent)
    (one,) = run(store, at(NOW + 60), Looks(), {})
    assert [reason.code for reason in one.decision.reasons] == ["canary"]
    assert store.state().overrides == {}
    (one,) = run(store, at(NOW + 3_700), Looks(), {})
    assert one.decision.action is Action.ADVANCE


def test_an_ended_guard_keeps_its_evidence(store: SqliteStore) -> None:
    rounds(store, Looks(reached=0.3), 3)
    state = guards(store, NOW)[0].state
    assert state is not None
    assert state.ended is not None
    assert state.ended.outcome is Outcome.ROLLED_BACK
    (reason,) = [one for one in state.ended.reasons if one.code == "worse"]
    assert reason.numbers["reached"] == pytest.approx(0.3)


def test_a_guard_that_came_back_begins_again(store: SqliteStore, tmp_path: Path) -> None:
    """After a rollback the file gives the guard up; with the fault mended, it has the same guard again."""
    rounds(store, Looks(reached=0.3), 3)
    released(store, tmp_path, WITHOUT)
    assert store.state().overrides == {}
    assert rounds(store, Looks(), 0.5, start=3) == []
    released(store, tmp_path, FILE)
    assert [action for _, action in rounds(store, Looks(), 0.5, start=4)] == [Action.ADVANCE]
    assert share(store) == 10


def test_a_guard_that_was_taken_out_and_put_back_between_two_rounds_has_ended(
    store: SqliteStore, tmp_path: Path
) -> None:
    """Its override has no guard any more, so that nobody is exposed to it: it could hold only."""
    rounds(store, Looks(), 0.5)
    released(store, tmp_path, WITHOUT)
    released(store, tmp_path, FILE)
    state, snapshot = live(store)
    assert guard_groups(Ruleset(snapshot, state.overrides.values()), "checkout") is None
    with pytest.raises(Refused, match="has changed in Git"):
        act(store, "checkout", by("guard.advance", NOW + 3_500), interventions.advance)
    (one,) = run(store, at(NOW + 3_600), Looks(), {})
    assert one.decision.state is not None
    assert one.decision.state.ended is not None
    assert (one.decision.state.ended.outcome, one.decision.state.ended.share) == (Outcome.CHANGED, 10)
    (one,) = run(store, at(NOW + 3_700), Looks(), {})
    assert [reason.code for reason in one.decision.reasons] == ["carried"]
    assert share(store) == 10, "nobody loses it"


@pytest.mark.parametrize("text", [FILE, RULED], ids=["flag", "rule"])
def test_another_change_of_the_flag_does_not_begin_a_guard_that_rolled_back(tmp_path: Path, text: str) -> None:
    """Neither does it ask who deploys: the share stays where the guard left it."""
    store = SqliteStore(tmp_path / "other.sqlite")
    released(store, tmp_path, text)
    rounds(store, Looks(reached=0.3), 3)
    released(store, tmp_path, text.replace("    status: on\n", "    status: on\n    owner: shop\n", 1))
    override = store.state().overrides["checkout"]
    assert override.author == "guard"
    assert "guard" not in str(override.definition)
    assert (override.definition or {})["owner"] == "shop"
    assert {action for _, action in rounds(store, Looks(), 8, start=3)} == {Action.DONE}
    assert store.state().overrides["checkout"] == override
    assert serving(store, NOW) == frozenset()
    (guard,) = guards(store, NOW)
    assert guard.state is not None
    assert guard.state.ended is not None
    assert guard.state.ended.outcome is Outcome.ROLLED_BACK
    assert guard.is_running is False
    # Another plan begins, from where the file says.
    released(store, tmp_path, text.replace("hold: 1h", "hold: 2h"))
    assert [action for _, action in rounds(store, Looks(), 0.5, start=12)] == [Action.ADVANCE]
    store.close()


def test_a_plan_that_changes_after_the_end_takes_back_nothing(store: SqliteStore, tmp_path: Path) -> None:
    rounds(store, Looks(), 8)
    assert share(store) == 100
    released(store, tmp_path, FILE.replace("hold: 1h", "hold: 2h"))
    assert rounds(store, Looks(), 8, start=9) == []
    assert share(store) == 100
    assert serving(store, NOW) == frozenset()


def test_a_guard_that_git_has_ended_is_to_be_written_into_the_file(store: SqliteStore, tmp_path: Path) -> None:
    rounds(store, Looks(), 0.5)
    assert serving(store, NOW) == {"checkout"}
    released(store, tmp_path, FILE.replace("    status: on\n", "    status: on\n    owner: shop\n", 1))
    assert serving(store, NOW) == frozenset()
    assert rounds(store, Looks(), 8, start=1)[0][1] is Action.DONE
    assert share(store) == 10
    assert serving(store, NOW) == frozenset()


def test_what_is_wrong_with_one_guard_stops_no_other(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "two.sqlite")
    second = FILE[FILE.index("  checkout:") : FILE.index("  other:")].replace("checkout:", "pay:")
    released(store, tmp_path, FILE + second)
    looks = Looks(reached=0.3)

    def measure(plan: GuardPlan, state: GuardState) -> Aggregates | None:
        if plan.flag == "checkout":
            raise Refused("records", "the records of checkout are damaged")
        return looks(plan, state)

    looks.now = NOW
    assert [one.decision.action for one in run(store, at(NOW), measure, {})] == [Action.ADVANCE] * 2
    looks.now = NOW + 600
    held, back = run(store, at(NOW + 600), measure, {})
    assert (held.decision.action, back.decision.action) == (Action.HOLD, Action.ROLL_BACK)
    assert "checkout are damaged" in sentence(held.decision)
    # Nor does a record that a later version has written, which this one leaves as it is.
    record = store.find(Shelf.GUARDS, "checkout")
    assert record is not None
    for wrong in ({**record, "format": 2}, {"format": 1}, {**record, "ended": 7}):
        store.keep([Put(Shelf.GUARDS, "checkout", wrong, store.find(Shelf.GUARDS, "checkout"))])
        (held,) = run(store, at(NOW + 1200), looks, {})
        assert held.decision.action is Action.HOLD
        assert "its record cannot be read" in sentence(held.decision)
        assert store.find(Shelf.GUARDS, "checkout") == wrong
        assert "checkout" in serving(store, NOW)
        with pytest.raises(Refused, match="cannot be read"):
            act(store, "checkout", by(), interventions.pause)
    store.close()


@pytest.mark.parametrize(("stuck", "other"), [("checkout", "pay"), ("pay", "checkout")])
def test_a_guard_whose_decision_cannot_be_written_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stuck: str, other: str
) -> None:
    store = SqliteStore(tmp_path / "two.sqlite")
    second = FILE[FILE.index("  checkout:") : FILE.index("  other:")].replace("checkout:", "pay:")
    released(store, tmp_path, FILE + second)
    run(store, at(NOW), Looks(), {})
    commit, looks = store.commit, Looks(reached=0.3)
    looks.now = NOW + 600

    def others(change: Change, *, expected: int) -> Any:
        if change.lay[0].flag == stuck:
            raise Conflict(f"another writer was first after {expected}")
        return commit(change, expected=expected)

    monkeypatch.setattr(store, "commit", others)
    found = {one.flag: one.decision for one in run(store, at(looks.now), looks, {})}
    assert [*found] == ["checkout", "pay"]
    assert found[other].action is Action.ROLL_BACK
    assert found[stuck].action is Action.HOLD
    assert [reason.code for reason in found[stuck].reasons] == [FAILED]
    assert "another writer was first" in sentence(found[stuck])
    store.close()


def test_a_store_that_stops_answering_ends_the_round(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its guards would wait for it."""

    def gone(_change: Change, *, expected: int) -> Any:
        raise StoreUnavailable(f"no answer about {expected}")

    monkeypatch.setattr(store, "commit", gone)
    with pytest.raises(StoreUnavailable):
        run(store, at(NOW), Looks(), {})


def test_during_a_canary_a_person_is_refused_and_a_round_says_so(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(FILE.replace("other: {status: on}", "other: {status: off}"), encoding="utf-8")
    consent = Consent(canary=CanaryRequest(5, 3_600))
    apply(store, compile_file(path), Origin(), AuditContext("release.activate", "ci", "", NOW), consent)
    (one,) = run(store, at(NOW + 60), Looks(), {})
    assert sentence(one.decision).startswith("holds: the release is a canary")
    with pytest.raises(Refused, match="canary"):
        act(store, "checkout", by("guard.stop", NOW + 61), interventions.stop)
