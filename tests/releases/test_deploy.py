"""A deploy against what operators said since: the three-way rules, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Conflict, NotFound, Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import definition_digest
from burgee.model import Override
from burgee.releases.deploy import Consent, apply, live, rollback
from burgee.releases.overrides import lay
from burgee.releases.plan import OverrideVerdict, plan
from burgee.stores import Change, Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from burgee.stores import Store

NOW = 1_795_500_000.0
ORIGIN = Origin(commit="abc123", author="ada", message="change flags")
KEEP, DISCARD = Consent(overrides="keep"), Consent(overrides="discard")


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    yield store
    store.close()


def snapshot(**flags: Mapping[str, Any]) -> dict[str, Any]:
    return {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}


def act(action: str = "release.activate", now: float = NOW) -> AuditContext:
    return AuditContext(action, "ada", "because", now)


def release(store: Store, consent: Consent | None = None, /, **flags: Mapping[str, Any]) -> Any:
    return apply(store, snapshot(**flags), ORIGIN, act(), consent)


def override(store: SqliteStore, flag: str, wanted: Mapping[str, Any] | None, expires_at: str | None = None) -> None:
    state, current = live(store)
    change = lay(state, current, flag, wanted, act("flag.update"))
    if expires_at is not None:
        from dataclasses import replace

        change = Change(lay=[replace(one, expires_at=expires_at) for one in change.lay], audit=change.audit)
    store.commit(change, expected=state.pointer.revision)


def served(store: SqliteStore, flag: str) -> Any:
    state, current = live(store)
    return Ruleset(current, state.overrides.values()).evaluate(flag, {"targetingKey": "u"}, NOW).value


ON, OFF = {"status": True}, {"status": False}


def test_a_release_is_served_with_its_origin(store: SqliteStore) -> None:
    made = release(store, a=ON, b=OFF)
    assert (list(made.added), made.version) == (["a", "b"], 0)
    assert (served(store, "a"), served(store, "b")) == (True, False)
    assert store.release(1).origin == ORIGIN
    (entry,) = store.audit()
    assert (entry.action, entry.actor, entry.release) == ("release.activate", "ada", 1)


def test_releasing_the_same_again_writes_nothing(store: SqliteStore) -> None:
    release(store, a=ON)
    before = store.pointer()
    assert release(store, a=ON).unchanged
    assert store.pointer() == before
    assert len(store.releases()) == 1


def test_git_caught_up_absorbs_the_override(store: SqliteStore) -> None:
    release(store, a=ON)
    override(store, "a", OFF)
    made = release(store, a=OFF)
    assert [standing.verdict for standing in made.standings] == [OverrideVerdict.ABSORBED]
    assert store.state().overrides == {}
    assert served(store, "a") is False
    assert "override.absorb" in {entry.action for entry in store.audit()}


def test_an_unrelated_release_keeps_the_override(store: SqliteStore) -> None:
    release(store, a=ON, b=OFF)
    override(store, "a", OFF)
    made = release(store, a=ON, b=ON)
    assert [standing.verdict for standing in made.standings] == [OverrideVerdict.KEPT]
    assert (served(store, "a"), served(store, "b")) == (False, True)


def test_git_saying_something_else_is_a_conflict_and_nothing_is_written(store: SqliteStore) -> None:
    release(store, a=ON, b=OFF)
    override(store, "a", OFF)
    before = store.pointer(), store.state(), store.releases(), store.audit()
    with pytest.raises(Refused, match="--overrides keep or --overrides discard") as refusal:
        release(store, a={"status": True, "rollout_percentage": 50}, b=ON)
    assert refusal.value.code == "override-conflict"
    assert (store.pointer(), store.state(), store.releases(), store.audit()) == before


def test_a_conflict_kept_is_not_a_conflict_again(store: SqliteStore) -> None:
    release(store, a=ON)
    override(store, "a", OFF)
    changed = {"status": True, "rollout_percentage": 100}
    release(store, KEEP, a=changed)
    assert served(store, "a") is False
    assert [standing.verdict for standing in release(store, a=changed, b=ON).standings] == [OverrideVerdict.KEPT]


def test_a_conflict_discarded_serves_what_git_says(store: SqliteStore) -> None:
    release(store, a=ON)
    override(store, "a", OFF)
    release(store, DISCARD, a={"status": True, "rollout_percentage": 100})
    assert served(store, "a") is True
    assert store.state().overrides == {}
    (entry,) = [entry for entry in store.audit() if entry.action == "override.discard"]
    assert (entry.flag, entry.before) == ("a", OFF)


def test_a_conflict_kept_is_reported_and_can_be_discarded_later(store: SqliteStore) -> None:
    release(store, a=ON, b=ON)
    override(store, "a", OFF)
    override(store, "b", OFF)
    changed = {"status": True, "rollout_percentage": 100}
    release(store, KEEP, a=changed, b=ON)
    assert [(one.action, one.flag) for one in store.audit(limit=2)] == [
        ("release.activate", None),
        ("override.keep", "a"),
    ]
    release(store, DISCARD, a=changed, b=ON)
    assert set(store.state().overrides) == {"b"}, "Git has not contradicted that one"
    assert served(store, "a") is True
    override(store, "a", OFF)
    release(store, DISCARD, a=changed, b=ON, c=ON)
    assert served(store, "a") is False, "laid again since, over what Git says"


def test_an_expired_override_goes(store: SqliteStore) -> None:
    release(store, a=ON)
    override(store, "a", OFF, expires_at="2020-01-01T00:00:00Z")
    made = release(store, a=ON)
    assert [standing.verdict for standing in made.standings] == [OverrideVerdict.EXPIRED]
    assert store.state().overrides == {}


def test_a_deletion_by_api_is_absorbed_when_git_deletes_too(store: SqliteStore) -> None:
    release(store, a=ON, b=ON)
    override(store, "a", None)
    assert served(store, "a") is None
    release(store, b=ON)
    assert store.state().overrides == {}


def test_a_flag_that_only_the_api_knows_survives_deploys(store: SqliteStore) -> None:
    release(store, a=ON)
    override(store, "hotfix", ON)
    release(store, a=OFF)
    assert served(store, "hotfix") is True


def test_an_empty_release_is_refused_unless_meant(store: SqliteStore) -> None:
    release(store, a=ON)
    with pytest.raises(Refused, match="--allow-empty"):
        release(store)
    assert served(store, "a") is True
    release(store, Consent(empty=True))
    assert served(store, "a") is None


def test_a_release_that_lost_most_flags_is_refused_unless_meant(store: SqliteStore) -> None:
    release(store, **{f"flag{n}": ON for n in range(10)})
    few = {f"flag{n}": ON for n in range(4)}
    with pytest.raises(Refused, match="6 of 10 live flags would be removed; --allow-shrink"):
        release(store, **few)
    release(store, Consent(shrunken=True), **few)
    assert len(live(store)[1]["flags"]) == 4


def test_a_retired_name_is_not_reused_unless_meant(store: SqliteStore) -> None:
    release(store, old=ON, a=ON)
    release(store, a=ON)
    with pytest.raises(Refused, match="--reuse"):
        release(store, a=ON, old=OFF)
    release(store, Consent(reuse=True), a=ON, old=OFF)
    assert served(store, "old") is False
    assert store.state().retired == {}


def test_an_override_that_the_release_breaks_is_refused(store: SqliteStore) -> None:
    base = snapshot(a=ON)
    apply(store, {**base, "segments": {"staff": {"x": 1}}}, ORIGIN, act())
    override(store, "a", {**ON, "rules": [{"when": {"segment": "staff"}}], "default": {"serve": "off"}})
    with pytest.raises(Refused) as refusal:
        apply(store, {**base, "flags": {"a": ON, "b": ON}}, ORIGIN, act())
    assert refusal.value.code == "invalid-release"
    assert "staff" in str(refusal.value)


def test_a_plan_other_than_the_reviewed_one_is_refused(store: SqliteStore) -> None:
    release(store, a=ON)
    state, current = live(store)
    wanted = snapshot(a=OFF)
    digest = plan(state, current, wanted, NOW).digest
    assert plan(state, current, wanted, NOW + 1000).digest == digest, "time alone changes no plan"
    override(store, "a", {"status": True, "rollout_percentage": 1})
    with pytest.raises(Refused) as refusal:
        apply(store, wanted, ORIGIN, act(), Consent(overrides="discard", plan_digest=digest))
    assert refusal.value.code == "plan-changed"
    state, current = live(store)
    reviewed = plan(state, current, wanted, NOW).digest[:16]
    apply(store, wanted, ORIGIN, act(), Consent(overrides="discard", plan_digest=reviewed))
    assert served(store, "a") is False


def test_the_plan_shows_keys_and_shared_parts(store: SqliteStore) -> None:
    apply(store, {**snapshot(a=ON, b=ON), "segments": {"eu": {"country": "DE"}}}, ORIGIN, act())
    state, current = live(store)
    wanted = {**snapshot(a={"status": True, "owner": "x"}, c=ON), "segments": {"eu": {"country": "FR"}}}
    made = plan(state, current, wanted, NOW)
    assert (list(made.added), list(made.removed), list(made.shared)) == (["c"], ["b"], ["segment eu"])
    assert [(one.flag, dict(one.keys)) for one in made.changed] == [("a", {"owner": (None, "x")})]


def test_a_split_in_another_order_is_a_change(store: SqliteStore) -> None:
    """Arms are drawn in declared order, so the order decides who gets which."""
    variants = {"variants": {"x": 1, "y": 2}, "status": True}
    release(store, a={**variants, "default": {"split": {"x": 1, "y": 1}}})
    made = release(store, a={**variants, "default": {"split": {"y": 1, "x": 1}}})
    assert [one.flag for one in made.changed] == ["a"]


def test_rollback_serves_the_former_release_and_keeps_the_override(store: SqliteStore) -> None:
    release(store, a=ON, gone=ON)
    release(store, a=ON)
    override(store, "a", OFF)
    made = rollback(store, 1, act("release.rollback", NOW + 1))
    assert list(made.added) == ["gone"]
    assert (served(store, "gone"), served(store, "a")) == (True, False)
    assert store.pointer().version == 1
    assert store.state().retired == {}
    assert store.audit(limit=1)[0].action == "release.rollback"


def test_a_rollback_absorbs_no_kill(store: SqliteStore) -> None:
    """The kill is an operator's, not Git's: it outlives the release that happens to say the same."""
    release(store, a=OFF)
    release(store, a=ON)
    override(store, "a", OFF)
    made = rollback(store, 1, act("release.rollback", NOW + 1))
    assert [standing.verdict for standing in made.standings] == [OverrideVerdict.KEPT]
    release(store, a=ON, b=ON)
    assert (served(store, "a"), served(store, "b")) == (False, True)
    with pytest.raises(Refused, match="override"):
        release(store, a={"status": True, "rollout_percentage": 100}, b=ON)
    release(store, a=OFF, b=ON)
    assert store.state().overrides == {}


HALF: dict[str, Any] = {"status": True, "rollout_percentage": 50}
OVERRIDES = {
    "expired": (OFF, "2020-01-01T00:00:00Z"),
    "absorbed": (OFF, None),
    "discarded": (HALF, None),
}


@pytest.mark.parametrize("kind", OVERRIDES)
def test_any_number_of_overrides_goes_with_a_release(any_store: Store, kind: str) -> None:
    """Each is an item beside its audit entry, and DynamoDB takes 100 items in one transaction."""
    names = [f"flag-{n:03}" for n in range(60)]
    wanted, expires_at = OVERRIDES[kind]
    release(any_store, **dict.fromkeys(names, ON))
    laid = [Override(name, wanted, "ada", "b", "", "", expires_at, definition_digest(ON)) for name in names]
    any_store.commit(Change(lay=laid), expected=any_store.state().pointer.revision)
    assert len(any_store.state().overrides) == 60
    release(any_store, DISCARD, **dict.fromkeys(names, OFF))
    assert any_store.state().overrides == {}
    assert len([one for one in any_store.audit(limit=100) if one.action.startswith("override.")]) == 60


@pytest.mark.parametrize("kind", OVERRIDES)
def test_any_number_of_overrides_meets_a_rollback_and_a_release_that_keeps_them(
    store: SqliteStore, kind: str
) -> None:
    names = [f"flag-{n:03}" for n in range(500)]
    wanted, expires_at = OVERRIDES[kind]
    release(store, **dict.fromkeys(names, OFF))
    release(store, **dict.fromkeys(names, ON))
    laid = [Override(name, wanted, "ada", "b", "", "", expires_at, definition_digest(ON)) for name in names]
    store.commit(Change(lay=laid), expected=store.state().pointer.revision)
    rollback(store, 1, act("release.rollback", NOW + 1), KEEP)
    assert len(store.state().overrides) == (0 if expires_at else 500)
    release(store, KEEP, **{name: {**ON, "description": "newer"} for name in names})
    assert len(store.state().overrides) == (0 if expires_at else 500)


def test_rollback_to_a_release_that_is_not_there(store: SqliteStore) -> None:
    release(store, a=ON)
    with pytest.raises(NotFound):
        rollback(store, 7, act())


def test_a_lost_race_is_a_conflict_and_changes_nothing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    release(store, a=ON)
    stage = store.stage

    def staged_while_another_writes(*arguments: Any, **options: Any) -> Any:
        made = stage(*arguments, **options)
        override(store, "a", OFF)
        return made

    monkeypatch.setattr(store, "stage", staged_while_another_writes)
    with pytest.raises(Conflict):
        release(store, a=ON, b=ON)
    assert store.pointer().version == 1
    assert served(store, "b") is None
