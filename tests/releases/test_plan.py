"""What a deploy does with a guard's override where Git has changed the flag: the reached share stays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.guards.plan import served, unguarded
from burgee.releases.deploy import CanaryRequest, Consent, apply, live, promote, rollback
from burgee.releases.expiring import Expiry
from burgee.releases.overrides import lay
from burgee.releases.plan import OverrideVerdict, plan
from burgee.releases.pull import pulled
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.model import Definition

NOW = 1_795_500_000.0
ORIGIN = Origin(commit="abc123", author="ada", message="change flags")
GUARD = {"steps": [5, 25, 100], "hold": "6h", "alarms": ["errors"]}
PLAIN: dict[str, Any] = {"status": True, "rollout_percentage": 0, "guard": GUARD}
RULED: dict[str, Any] = {
    "status": True,
    "rules": [
        {"name": "staff", "when": {"staff": True}, "serve": "on"},
        {"name": "EU", "when": {"country": "DE"}, "rollout_percentage": 0, "salt": "eu", "guard": GUARD},
    ],
    "default": {"serve": "off"},
}
OTHER = {"when": {"beta": True}, "serve": "on"}
USERS = [{"targetingKey": f"user-{number}", "country": "DE"} for number in range(500)]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    yield store
    store.close()


def act(author: str = "ada", now: float = NOW) -> AuditContext:
    return AuditContext("release.activate", author, "because", now)


def release(store: SqliteStore, flag: Definition | None, consent: Consent | None = None) -> Any:
    flags = {} if flag is None else {"f": flag}
    wanted = {"format": 1, "environment": None, "flags": {**flags, "g": PLAIN}, "segments": {}, "holdouts": {}}
    return apply(store, wanted, ORIGIN, act(), consent)


def raise_to(store: SqliteStore, flag: Definition, share: float, author: str = "guard") -> None:
    state, current = live(store)
    store.commit(lay(state, current, "f", served(flag, share), act(author)), expected=state.pointer.revision)


def having(store: SqliteStore) -> set[str]:
    """Who gets the flag."""
    state, current = live(store)
    rules = Ruleset(current, state.overrides.values())
    return {one["targetingKey"] for one in USERS if rules.evaluate("f", one, NOW).value}


def verdict(made: Any) -> OverrideVerdict:
    (standing,) = made.standings
    found: OverrideVerdict = standing.verdict
    return found


def without(rules: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    return [{name: value for name, value in rule.items() if name != key} for rule in rules]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PLAIN, {**PLAIN, "description": "said again"}),
        (PLAIN, {**PLAIN, "targets": {"off": ["nobody"]}}),
        (PLAIN, {**PLAIN, "guard": {**GUARD, "steps": [50, 100]}}),
        (PLAIN, unguarded(PLAIN)),
        (RULED, {**RULED, "description": "said again"}),
        (RULED, {**RULED, "rules": [OTHER, *RULED["rules"]]}),
        (RULED, {**RULED, "rules": without(RULED["rules"], "guard")}),
    ],
    ids=["description", "targets", "steps", "no guard", "of a rule", "another rule", "no guard of a rule"],
)
def test_a_change_in_git_keeps_the_reached_share_and_does_not_ask(
    store: SqliteStore, before: Definition, after: Definition
) -> None:
    release(store, before)
    raise_to(store, before, 25)
    had = having(store)
    assert had
    made = release(store, after)
    assert verdict(made) is OverrideVerdict.CARRIED
    assert having(store) == had
    state, current = live(store)
    assert unguarded(state.overrides["f"].definition or {}).keys() == unguarded(current["flags"]["f"]).keys()
    assert state.overrides["f"].author == "guard"
    assert next(entry.action for entry in store.audit(limit=2, flag="f")) == "override.carry"
    assert verdict(release(store, after)) is OverrideVerdict.KEPT
    assert verdict(release(store, {**after, "tags": ["again"]})) is OverrideVerdict.CARRIED
    assert having(store) == had


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PLAIN, {**PLAIN, "rollout_percentage": 2}),
        (PLAIN, {**unguarded(PLAIN), "rollout_percentage": 25}),
        (PLAIN, {"status": True, "default": {"serve": "off"}}),
        (PLAIN, None),
        (RULED, {**RULED, "rules": RULED["rules"][:1]}),
        (RULED, {**RULED, "rules": without(without(RULED["rules"], "guard"), "rollout_percentage")}),
    ],
    ids=["share", "reached share", "no share", "no flag", "no rule", "no share of a rule"],
)
def test_git_decides_about_a_share_that_it_changes_itself(
    store: SqliteStore, before: Definition, after: Definition | None
) -> None:
    release(store, before)
    raise_to(store, before, 25)
    made = release(store, after)
    assert verdict(made) is OverrideVerdict.ABSORBED
    assert live(store)[0].overrides == {}


def test_an_operators_override_still_asks(store: SqliteStore) -> None:
    release(store, PLAIN)
    raise_to(store, PLAIN, 25, author="ada")
    with pytest.raises(Refused, match="--overrides keep or --overrides discard"):
        release(store, {**PLAIN, "description": "said again"})


def test_a_killed_flag_stays_killed_over_a_guard(store: SqliteStore) -> None:
    release(store, PLAIN)
    raise_to(store, PLAIN, 25)
    state, current = live(store)
    store.commit(lay(state, current, "f", {**PLAIN, "status": False}, act()), expected=state.pointer.revision)
    with pytest.raises(Refused, match="override"):
        release(store, {**PLAIN, "description": "said again"})
    release(store, {**PLAIN, "description": "said again"}, Consent("keep"))
    assert having(store) == set()


def test_a_rollback_is_not_held_up_by_a_guard(store: SqliteStore) -> None:
    release(store, unguarded(PLAIN))
    release(store, PLAIN)
    raise_to(store, PLAIN, 25)
    had = having(store)
    rollback(store, 1, act())
    assert having(store) == had


@pytest.mark.parametrize("promoted", [True, False], ids=["promoted", "over"])
def test_the_users_of_a_canarys_base_keep_the_definition_that_they_have(store: SqliteStore, promoted: bool) -> None:
    """The share is carried over when everyone gets the release."""
    release(store, PLAIN)
    raise_to(store, PLAIN, 25)
    had, laid = having(store), live(store)[0].overrides["f"]
    after = {**PLAIN, "description": "said again"}
    made = release(store, after, Consent(canary=CanaryRequest(10, 3600)))
    assert verdict(made) is OverrideVerdict.CARRIED
    assert live(store)[0].overrides["f"] == laid
    expiry = Expiry(store)
    expiry.step(NOW + 3599)
    assert live(store)[0].overrides["f"] == laid
    if promoted:
        promote(store, act())
    else:
        expiry.step(NOW + 3601)
        actions = [entry.action for entry in store.audit(limit=2)]
        assert actions == ["canary.end", "override.carry"]
    assert live(store)[0].overrides["f"].definition == served(after, 25)
    assert having(store) == had
    assert verdict(release(store, after)) is OverrideVerdict.KEPT


def test_a_share_that_git_raises_above_the_reached_one_is_gits_also_when_the_base_is_not_known(
    store: SqliteStore,
) -> None:
    release(store, PLAIN)
    raise_to(store, PLAIN, 25)
    state, current = live(store)
    unknown = replace(state.overrides["f"], base_digest="of a release long ago")
    for share, expected in ((0, OverrideVerdict.CARRIED), (40, OverrideVerdict.ABSORBED)):
        wanted = {
            **current,
            "flags": {**current["flags"], "f": {**PLAIN, "rollout_percentage": share, "tags": ["x"]}},
        }
        made = plan(replace(state, overrides={"f": unknown}), current, wanted, NOW)
        assert verdict(made) is expected


def test_a_metric_that_changes_is_part_of_the_release_and_said(store: SqliteStore) -> None:
    """A guard measures what the release says."""
    metrics = {"errors": {"event": "failed", "kind": "proportion"}}
    wanted = {"format": 1, "environment": None, "flags": {"f": PLAIN}, "metrics": metrics}
    apply(store, wanted, ORIGIN, act())
    changed = {**wanted, "metrics": {"errors": {"event": "error", "kind": "proportion"}}}
    made = apply(store, changed, ORIGIN, act())
    assert (made.shared, made.changed, made.unchanged) == (["metric errors"], [], False)


def test_pull_writes_the_reached_share_without_the_guard(store: SqliteStore) -> None:
    """With it, its first steps would be below the share."""
    release(store, PLAIN)
    raise_to(store, PLAIN, 25)
    state, current = live(store)
    found = pulled(state.overrides.values(), current["flags"], lambda _flag, _digest: None, NOW)
    assert found.wanted == {"f": {"status": True, "rollout_percentage": 25}}
    made = release(store, found.wanted["f"])
    assert verdict(made) is OverrideVerdict.ABSORBED
