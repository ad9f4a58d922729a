"""What an operator's wish becomes: an override over the release, or nothing where Git says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from burgee.errors import Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import definition_digest, payload
from burgee.flagfile.compile import compile_file
from burgee.flagfile.flag_grammar import normalise
from burgee.model import Override
from burgee.releases.overrides import lay, served
from burgee.releases.plan import OverrideVerdict, plan
from burgee.serving.serving import Serving
from burgee.stores import Change, Origin, Pointer, State
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.times import parse_time
from burgee.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from burgee.model import Definition, Snapshot

T = "2027-01-01T00:00:00Z"
NOW = parse_time(T)
ACT = AuditContext("flag.update", "ada", "because", NOW)
SPLIT = {"status": True, "variants": {"a": 1, "b": 0}, "default": {"split": {"a": 50, "b": 50}}}


def snapshot(**flags: Any) -> Snapshot:
    return {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}


def state(*overrides: Override) -> State:
    return State(Pointer(3, "d", 7), {override.flag: override for override in overrides})


def override(flag: str, definition: Definition | None, expires_at: str | None = None, **more: Any) -> Override:
    return Override(
        flag, definition, "eve", "night", "2026-12-01T00:00:00Z", "2026-12-02T00:00:00Z", expires_at, **more
    )


def test_a_wish_becomes_an_override_that_shows_who_why_when_and_over_what() -> None:
    git = {"status": True}
    change = lay(state(), snapshot(a=git), "a", {"status": "off"}, ACT)
    assert change == Change(
        lay=[Override("a", {"status": False}, "ada", "because", T, T, None, definition_digest(git))],
        audit=change.audit,
    )
    (entry,) = change.audit
    assert (entry.at, entry.actor, entry.action, entry.reason) == (T, "ada", "flag.update", "because")
    assert (entry.flag, entry.before, entry.after, entry.release) == ("a", git, {"status": False}, 3)


def test_a_flag_that_git_does_not_know_is_laid_over_nothing() -> None:
    (laid,) = lay(state(), snapshot(), "new", {"status": True}, ACT).lay
    assert laid.base_digest is None


def test_a_name_that_git_gave_up_is_taken_again_only_on_purpose() -> None:
    gone = State(Pointer(3, "d", 7), {}, {"old": T})
    with pytest.raises(Refused, match="--reuse") as refusal:
        lay(gone, snapshot(), "old", {"status": True}, ACT)
    assert refusal.value.code == "name-retired"
    assert len(lay(gone, snapshot(), "old", {"status": True}, ACT, reuse=True).lay) == 1
    assert len(lay(gone, snapshot(old={"status": True}), "old", {"status": False}, ACT).lay) == 1
    laid = State(gone.pointer, {"old": override("old", {"status": True})}, gone.retired)
    assert len(lay(laid, snapshot(), "old", {"status": False}, ACT).lay) == 1
    assert list(lay(gone, snapshot(), "old", None, ACT).lift) == ["old"]


def test_deleting_a_flag_of_the_release_serves_it_as_absent() -> None:
    change = lay(state(), snapshot(a={"status": True}), "a", None, ACT)
    assert [laid.definition for laid in change.lay] == [None]
    assert list(change.lift) == []


def test_deleting_a_flag_that_only_an_override_knew_leaves_nothing() -> None:
    change = lay(state(override("new", {"status": True})), snapshot(), "new", None, ACT)
    assert (list(change.lift), list(change.lay)) == (["new"], [])


def test_saying_what_git_says_lifts_the_override() -> None:
    change = lay(state(override("a", {"status": False})), snapshot(a={"status": True}), "a", {"status": True}, ACT)
    assert (list(change.lift), list(change.lay)) == (["a"], [])


@pytest.mark.parametrize(
    "wanted",
    [
        {**SPLIT, "default": {"split": {"b": 50, "a": 50}}},
        {**SPLIT, "variants": {"a": 1.0, "b": 0}},
        {**SPLIT, "variants": {"a": True, "b": False}},
    ],
    ids=["another order of arms gives others the arm", "1.0 is not 1", "true is not 1"],
)
def test_what_python_calls_equal_is_not_always_the_same_flag(wanted: dict[str, Any]) -> None:
    change = lay(state(), snapshot(a=normalise(SPLIT)), "a", wanted, ACT)
    assert len(change.lay) == 1
    assert list(change.lift) == []


def test_the_order_of_keys_is_no_difference(tmp_path: Path) -> None:
    """An environment that adds a key puts it last; what Git says, sent to the API, must equal Git all the same."""
    path = tmp_path / "flags.yaml"
    path.write_text(
        "{version: 1, environments: [prod], flags: {a: {status: on, description: d, owner: o,"
        " environments: {prod: {rollout_percentage: 5, salt: s}}}}}",
        encoding="utf-8",
    )
    git = compile_file(path, "prod")
    change = lay(state(override("a", {"status": False})), git, "a", git["flags"]["a"], ACT)
    assert (list(change.lift), list(change.lay)) == (["a"], [])
    laid = override("a", normalise(git["flags"]["a"]), base_digest="of something else")
    made = plan(state(laid), snapshot(), git, NOW)
    assert [standing.verdict for standing in made.standings] == [OverrideVerdict.ABSORBED]


@pytest.mark.parametrize(
    ("expires_at", "in_force"),
    [
        (None, True),
        ("2027-01-01T00:00:01Z", True),
        ("2027-01-01T00:00:00Z", False),
        ("2026-12-31T23:59:59Z", False),
        ("2026-12-31T23:59:59.999Z", False),
        ("2027-01-01T00:00:00.001Z", True),
        ("2027-01-01T01:00:00+02:00", False),
        ("2026-12-31T23:30:00-01:00", True),
    ],
)
def test_an_override_counts_until_it_expires(expires_at: str | None, in_force: bool) -> None:
    """Management and evaluation agree on the moment, however it is written."""
    git, laid = {"status": True}, override("a", {"status": False}, expires_at)
    assert served(state(laid), snapshot(a=git), "a", NOW) == (laid.definition if in_force else git)
    answer = Ruleset(snapshot(a=git), [laid]).evaluate("a", {}, NOW)
    assert answer.value is not in_force


def test_who_changes_an_override_keeps_the_time_it_was_made() -> None:
    (laid,) = lay(state(override("new", {"status": False})), snapshot(), "new", {"status": True}, ACT).lay
    assert (laid.created_at, laid.updated_at) == ("2026-12-01T00:00:00Z", T)


def test_a_flag_made_again_after_it_was_deleted_is_new() -> None:
    (laid,) = lay(state(override("a", None)), snapshot(a={"status": True}), "a", {"status": False}, ACT).lay
    assert laid.created_at == T


@pytest.fixture
def client() -> Iterator[TestClient]:
    store = SqliteStore(":memory:")
    flags = snapshot(a={"status": True}, b={"status": True})
    store.stage(payload(flags), Origin(), flags=2, at=T)
    store.commit(Change(activate=1), expected=0)
    yield TestClient(create_app(store, Serving(store, refresh_seconds=0)))
    store.close()


def test_two_overrides_cannot_close_a_circle(client: TestClient) -> None:
    """The first alone is fine; the second would make both flags unservable."""
    assert client.put("/flags/a", json={"requires": [{"flag": "b", "variant": "on"}]}).status_code == 200
    refused = client.put("/flags/b", json={"requires": [{"flag": "a", "variant": "on"}]})
    assert 400 <= refused.status_code < 500
    (error,) = refused.json()["errors"]
    assert (error["code"], error["pointer"]) == ("cycle", "/requires/0/flag")
    assert "a -> b -> a" in refused.json()["detail"]
    answers = client.get("/users/ada/flags").json()["flags"]
    assert {answer["flag_name"]: answer["enabled"] for answer in answers} == {"a": True, "b": True}
