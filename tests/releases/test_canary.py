"""A canary: who gets it, until when, what happens to overrides, and the alarm that takes it back."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from burgee.errors import Conflict, Corrupt, Refused
from burgee.releases.deploy import CanaryRequest, Consent, promote, rollback, withdraw
from burgee.serving.serving import Serving
from burgee.stores import Change, Pointer
from burgee.stores.sqlite import SqliteStore
from burgee.web.evaluation_app import evaluation_app
from support.canary import NOW, OFF, ON, TENTH, act, override, release, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store

USERS = [f"user-{number}" for number in range(2000)]


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    yield store
    store.close()


def getting(store: Store, wanted: Any, now: float, flag: str = "a") -> set[str]:
    """The users who get a value of a flag."""
    serving = Serving(store)
    contexts = [{"targetingKey": user} for user in USERS]
    return {c["targetingKey"] for c in contexts if serving.ruleset(c, now).evaluate(flag, c, now).value is wanted}


def canaries(version: int, share: float) -> set[str]:
    """The rule of docs/bucketing.md, in the words of the first version of this service."""
    return {u for u in USERS if int(sha256(f"{u}:canary:{version}".encode()).hexdigest(), 16) % 100 < share}


def test_a_share_of_users_by_hash_gets_it_first_and_all_do_when_the_time_is_over(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    first = canaries(2, 10)
    assert 150 < len(first) < 250
    assert getting(store, True, NOW) == first
    assert getting(store, True, NOW + 899) == first
    assert getting(store, True, NOW + 900) == set(USERS), "nobody had to do anything"
    assert store.pointer().version == 2


def test_who_has_no_targeting_key_waits_with_the_majority(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    serving = Serving(store)
    for context in ({}, {"targetingKey": ""}, {"targetingKey": None}):
        assert serving.ruleset(context, NOW).release["version"] == 1


def test_a_larger_share_takes_it_from_nobody_and_starts_the_clock_again(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    before = getting(store, True, NOW)
    made = release(store, Consent(canary=CanaryRequest(50, 900)), NOW + 600, a=ON)
    assert made.unchanged
    after = getting(store, True, NOW + 1400)
    assert after == canaries(2, 50)
    assert before < after
    assert store.pointer().version == 2


def test_the_same_file_again_neither_ends_a_trial_nor_begins_one(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    before = store.pointer()
    release(store, a=ON)
    assert store.pointer() == before
    release(store, TENTH, NOW + 1000, a=ON)
    assert store.pointer() == before, "it is over, and everybody has it"


def test_the_first_release_is_for_all(store: SqliteStore) -> None:
    release(store, TENTH, a=ON)
    assert store.pointer().canary is None
    assert getting(store, True, NOW) == set(USERS)


def test_a_release_tried_during_a_trial_falls_back_on_what_everybody_had(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    release(store, TENTH, NOW + 1, a={"status": True, "rollout_percentage": 0})
    bake = store.pointer().canary
    assert bake is not None
    assert bake.base == 1
    assert withdraw(store, act(NOW + 2), NOW + 2) == 1


def test_a_release_for_all_during_a_trial_ends_it(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    release(store, None, NOW + 1, a=ON, b=ON)
    assert store.pointer().canary is None
    assert getting(store, True, NOW + 1, "b") == set(USERS)


def test_promoting_gives_it_to_all_at_once(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    assert promote(store, act(NOW + 1, "release.promote")) == 2
    assert getting(store, True, NOW + 1) == set(USERS)
    assert store.audit()[0].action == "release.promote"
    with pytest.raises(Refused, match="no release is a canary"):
        promote(store, act(NOW + 2))


def test_the_alarm_takes_it_back_from_everybody(store: SqliteStore) -> None:
    release(store, a=OFF, gone=ON)
    release(store, Consent(canary=CanaryRequest(10, 900), shrunken=True), a=ON)
    assert withdraw(store, act(NOW + 60, "release.withdraw"), NOW + 59) == 1
    assert store.pointer() == Pointer(1, store.release(1).digest, 3)
    assert getting(store, True, NOW + 61) == set()
    assert store.state().retired == {}, "the name is taken again"
    assert store.audit()[0].action == "release.withdraw"


@pytest.mark.parametrize(
    ("rang", "now"), [(-1, 60), (901, 901), (899, 901)], ids=["before the trial", "after it", "heard after it"]
)
def test_an_alarm_outside_the_trial_does_nothing(store: SqliteStore, rang: float, now: float) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    before = store.pointer()
    assert withdraw(store, act(NOW + now), NOW + rang) is None
    assert store.pointer() == before


@pytest.mark.parametrize("skew", [-3600, -60, 60, 3600])
def test_an_evaluator_whose_clock_is_wrong_serves_one_of_the_two_releases_whole(
    store: SqliteStore, skew: int
) -> None:
    release(store, a=OFF, b=OFF)
    release(store, TENTH, a=ON, b=ON)
    for passed in (0, 450, 900):
        serving = Serving(store)
        for user in USERS[:200]:
            context = {"targetingKey": user}
            every = serving.ruleset(context, NOW + passed + skew).evaluate_all(context, NOW + passed + skew)
            assert len({answer.value for answer in every.values()}) == 1
    assert getting(store, True, NOW + skew) in (canaries(2, 10), set(USERS))


def test_an_alarm_without_a_trial_does_nothing(store: SqliteStore) -> None:
    assert withdraw(store, act(), NOW) is None
    release(store, a=ON)
    assert withdraw(store, act(), NOW) is None
    assert store.pointer().revision == 1


def test_an_alarm_wins_against_a_writer_who_was_first(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    commit, races = store.commit, [1]

    def racing(change: Change, *, expected: int) -> Pointer:
        if races:
            races.pop()
            raise Conflict("another writer was first")
        return commit(change, expected=expected)

    monkeypatch.setattr(store, "commit", racing)
    assert withdraw(store, act(NOW + 1), NOW + 1) == 1


def test_an_override_that_git_catches_up_with_stays_for_those_who_get_the_base(store: SqliteStore) -> None:
    """Or the kill would be gone for nine users in ten."""
    release(store, a=ON)
    override(store, "a", OFF)
    release(store, TENTH, a=OFF)
    assert set(store.state().overrides) == {"a"}
    assert getting(store, False, NOW) == set(USERS)
    assert getting(store, False, NOW + 900) == set(USERS)
    assert withdraw(store, act(NOW + 1), NOW + 1) == 1
    assert getting(store, False, NOW + 1) == set(USERS), "and it is still killed when the release is taken back"


def test_it_goes_with_the_next_deploy_after_the_trial_whatever_git_says_then(store: SqliteStore) -> None:
    release(store, a=ON)
    override(store, "a", OFF)
    release(store, TENTH, a=OFF)
    release(store, None, NOW + 1000, a={"status": True, "rollout_percentage": 5})
    assert store.state().overrides == {}


def test_promoting_absorbs_what_git_caught_up_with(store: SqliteStore) -> None:
    release(store, a=ON)
    override(store, "a", OFF)
    release(store, TENTH, a=OFF)
    promote(store, act(NOW + 1))
    assert store.state().overrides == {}
    assert getting(store, False, NOW + 1) == set(USERS)


def test_an_override_cannot_be_discarded_for_a_share(store: SqliteStore) -> None:
    release(store, a=ON)
    override(store, "a", OFF)
    with pytest.raises(Refused, match="clear it first"):
        release(store, Consent("discard", canary=CanaryRequest(10, 900)), a={"status": True, "rollout_percentage": 5})


def test_a_kill_during_a_trial_is_for_everybody_and_survives_its_end(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    override(store, "a", {"status": True, "rollout_percentage": 0}, NOW + 1)
    assert getting(store, True, NOW + 1) == set()
    assert getting(store, True, NOW + 1000) == set()


def test_a_kill_that_the_release_on_trial_agrees_with_is_for_everybody(store: SqliteStore) -> None:
    """Git says off for one user in ten alone; the operator says it for all."""
    release(store, a=ON)
    release(store, TENTH, a=OFF)
    override(store, "a", OFF, NOW + 1)
    assert getting(store, False, NOW + 1) == set(USERS)
    assert withdraw(store, act(NOW + 2), NOW + 2) == 1
    assert getting(store, False, NOW + 3) == set(USERS)


def test_rolling_back_ends_a_trial(store: SqliteStore) -> None:
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    rollback(store, 1, act(NOW + 1))
    assert store.pointer().canary is None
    assert getting(store, True, NOW + 1) == set()


@pytest.mark.parametrize("share", [0, 100, -1, float("nan")])
def test_a_share_that_is_none_is_refused(store: SqliteStore, share: float) -> None:
    release(store, a=OFF)
    with pytest.raises(Refused, match="share of users"):
        release(store, Consent(canary=CanaryRequest(share, 900)), a=ON)


def test_one_bulk_answer_is_of_one_release_and_shows_which(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)
    off: dict[str, Any] = {f"f{number}": OFF for number in range(20)}
    release(store, **off)
    release(store, Consent(canary=CanaryRequest(50, 900)), NOW, **dict.fromkeys(off, ON))
    client = TestClient(evaluation_app(Serving(store)))
    seen = set()
    for user in USERS[:100]:
        bulk = client.post("/ofrep/v1/evaluate/flags", json={"context": {"targetingKey": user}})
        version = 2 if user in canaries(2, 50) else 1
        seen.add(version)
        reported = bulk.json()
        assert {flag["value"] for flag in reported["flags"]} == {version == 2}
        assert {flag["metadata"]["version"] for flag in reported["flags"]} == {version}
        assert (reported["metadata"]["version"], bulk.headers["burgee-release"]) == (version, str(version))
        every = client.get(f"/users/{user}/flags")
        assert {flag["enabled"] for flag in every.json()["flags"]} == {version == 2}
        one = client.get(f"/users/{user}/flags/f3")
        assert (one.json()["enabled"], one.headers["burgee-release"]) == (version == 2, str(version))
        single = client.post("/ofrep/v1/evaluate/flags/f3", json={"context": {"targetingKey": user}})
        assert (single.json()["value"], single.headers["burgee-release"]) == (version == 2, str(version))
    assert seen == {1, 2}
    health = client.get("/health").json()
    assert (health["release"]["version"], health["baking"]["version"], health["baking"]["share"]) == (1, 2, 50)


def test_an_etag_of_before_the_trial_does_not_hold_in_it(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [NOW]
    monkeypatch.setattr("time.time", lambda: clock[0])
    release(store, a=ON)
    client = TestClient(evaluation_app(Serving(store, refresh_seconds=0)))
    user = min(canaries(2, 10))
    other = next(u for u in USERS if u not in canaries(2, 10))

    def ask(who: str, etag: str = "") -> Any:
        body = {"context": {"targetingKey": who}}
        return client.post("/ofrep/v1/evaluate/flags", json=body, headers={"If-None-Match": etag})

    tags = {who: ask(who).headers["etag"] for who in (user, other)}
    release(store, TENTH, a=ON, b=ON)
    assert [ask(user, tags[user]).status_code, ask(other, tags[other]).status_code] == [200, 304]
    clock[0] += 900
    assert ask(other, tags[other]).status_code == 200


def test_a_trial_that_cannot_be_read_whole_does_not_begin(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new evaluator that cannot read the base serves neither half, but what it has."""
    release(store, a=OFF)
    release(store, TENTH, a=ON)
    payload = store.payload

    def damaged(version: int) -> bytes:
        if version == 1:
            raise Corrupt("injected")
        return payload(version)

    monkeypatch.setattr(store, "payload", damaged)
    serving = Serving(store, snapshot(a=OFF))
    assert {serving.ruleset({"targetingKey": user}).release["version"] for user in USERS[:100]} == {0}
    assert "injected" in str(serving.status().error)
