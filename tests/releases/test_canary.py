"""A canary: who gets it, until when, what becomes of overrides, and the alarm that takes it back."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from moto import mock_aws
from starlette.testclient import TestClient

from burgee.errors import Conflict, Corrupt, Refused
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import definition_digest
from burgee.model import Override
from burgee.releases.deploy import CanaryRequest, Consent, apply, live, promote, rollback, withdraw, write
from burgee.releases.overrides import lay
from burgee.releases.stack_loader import load
from burgee.serving.serving import Serving
from burgee.stores import Change, Origin, Pointer
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.web.evaluation_app import evaluation_app
from support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store
    from support.cli import Burgee

NOW = 1_795_500_000.0
ON, OFF = {"status": True}, {"status": False}
USERS = [f"user-{number}" for number in range(2000)]
TENTH = Consent(canary=CanaryRequest(10, 900))


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: NOW)


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    yield store
    store.close()


def snapshot(**flags: Any) -> dict[str, Any]:
    return {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}


def act(now: float = NOW, action: str = "release.activate") -> AuditContext:
    return AuditContext(action, "ada", "because", now)


def release(store: Store, consent: Consent | None = None, now: float = NOW, **flags: Any) -> Any:
    return apply(store, snapshot(**flags), Origin("abc"), act(now), consent)


def override(store: Store, flag: str, definition: Any, now: float = NOW) -> None:
    write(store, lambda state, current: lay(state, current, flag, definition, act(now, "override.set")))


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


def test_a_larger_share_takes_it_from_nobody_and_starts_the_clock_anew(store: SqliteStore) -> None:
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


def bundle(**flags: Any) -> Any:
    from burgee.serving.bundle import Bundle

    return Bundle(snapshot(**flags), Origin("abc", "ada", "change"))


def token(number: int) -> str:
    return f"arn:aws:lambda:eu-west-1:123456789012:function:flags-LoadFunction-x:{number}"


def test_a_stack_begins_a_trial_once_and_its_rollback_is_for_everybody(store: SqliteStore) -> None:
    first = {"ServiceToken": token(1), "Canary": "10", "Bake": "15m"}
    second = {**first, "ServiceToken": token(2)}
    load(store, bundle(a=OFF), first, NOW)
    load(store, bundle(a=ON), second, NOW + 1, first)
    begun = store.pointer()
    assert begun.canary is not None
    assert begun.canary.share == 10
    assert load(store, bundle(a=ON), second, NOW + 60, first) == "nothing changed"
    assert store.pointer() == begun, "asked again, the clock goes on"
    assert load(store, bundle(a=OFF), first, NOW + 120, second) == "release 1 is live again"
    assert store.pointer().canary is None


def test_a_stack_that_rolls_back_does_not_bring_back_what_the_alarm_took(store: SqliteStore) -> None:
    """Release 2 was withdrawn; an update to 3 is refused, and CloudFormation calls the loader of 2 again."""
    properties = [{"ServiceToken": token(number), "Canary": "10"} for number in range(4)]
    load(store, bundle(a=OFF), properties[1], NOW)
    load(store, bundle(a=ON), properties[2], NOW + 1, properties[1])
    withdraw(store, act(NOW + 60, "release.withdraw"), NOW + 60)
    assert "had released nothing" in load(store, bundle(a=ON), properties[2], NOW + 120, properties[3])
    assert store.pointer().version == 1
    again = load(store, bundle(a=ON), properties[3], NOW + 180, properties[2])
    assert again == "release 2 is live again"
    bake = store.pointer().canary
    assert bake is not None, "deployed again on purpose, it is a canary again"
    assert bake.base == 1


def test_a_stack_finds_its_own_release_behind_any_number_of_overrides(store: SqliteStore) -> None:
    """Overrides that went with the release, and others since."""
    first, second = ({"ServiceToken": token(number)} for number in (1, 2))
    names = [f"flag-{number:03}" for number in range(250)]
    load(store, bundle(a=OFF, **dict.fromkeys(names, ON)), first, NOW)
    state = store.state()
    laid = [Override(name, OFF, "ada", "b", "", "", None, definition_digest(ON)) for name in names]
    store.commit(Change(lay=laid), expected=state.pointer.revision)
    load(store, bundle(a=ON, **dict.fromkeys(names, OFF)), second, NOW + 1, first)
    assert store.state().overrides == {}
    assert store.audit(limit=1)[0].action == "release.activate"
    for _ in range(250):
        override(store, "a", OFF, NOW + 2)
        override(store, "a", ON, NOW + 3)
    rolled = load(store, bundle(a=OFF, **dict.fromkeys(names, ON)), first, NOW + 4, second)
    assert rolled == "release 1 is live again"


@pytest.mark.parametrize("properties", [{"Canary": "some"}, {"Canary": "10", "Bake": "soon"}, {"Canary": "100"}])
def test_properties_that_make_no_trial_are_refused(store: SqliteStore, properties: dict[str, str]) -> None:
    load(store, bundle(a=OFF), {}, NOW)
    with pytest.raises(Refused):
        load(store, bundle(a=ON), properties, NOW)


def alarm(value: str = "ALARM", at: str = "2099-01-01T00:00:00.000+0000") -> dict[str, Any]:
    """What EventBridge sends, as AWS documents it."""
    state = {"value": value, "reason": "Threshold Crossed", "timestamp": at}
    return {
        "source": "aws.cloudwatch",
        "detail-type": "CloudWatch Alarm State Change",
        "detail": {"alarmName": "errors", "state": state, "previousState": {"value": "OK"}},
    }


def test_an_alarm_withdraws_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    from burgee.handlers import canary_alarm, wiring

    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(wiring, "TABLE", "flags")
    with mock_aws():
        store = DynamoDbStore("flags")
        store.create_table()
        release(store, a=OFF)
        release(store, TENTH, a=ON)
        assert canary_alarm.handler(alarm("OK"), None)["release"] is None
        assert canary_alarm.handler(alarm(at=format_time(NOW - 60).replace("Z", "+0000")), None)["release"] is None
        assert store.pointer().version == 2
        assert canary_alarm.handler(alarm(), None) == {"alarm": "errors", "release": 1}
        assert canary_alarm.handler(alarm(), None) == {"alarm": "errors", "release": None}
        state, current = live(store)
        assert Ruleset(current, state.overrides.values()).evaluate("a", {}, NOW).value is False
        (entry,) = [one for one in store.audit() if one.action == "release.withdraw"]
        assert (entry.actor, entry.reason) == ("canary alarm", "the alarm errors went off")
        store.close()


FILE = "version: 1\nflags:\n  a: {description: first}\n"


def test_the_command_line_tries_shows_promotes_and_goes_back(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert "release 1 is live" in burgee("apply").out
    burgee.write(FILE.replace("first", "second"))
    tried = burgee("apply", "--canary", "10", "--bake", "1h")
    assert "10 % of users get release 2 until" in tried.out
    assert "the others get release 1" in tried.out
    reported = burgee("status")
    assert "release 2 is a canary" in reported.out
    assert json.loads(burgee("status", "--json").out)["baking"]["share"] == 10
    assert burgee("promote").out.startswith("release 2 is live (")
    assert burgee("promote").code == 1
    burgee.write(FILE.replace("first", "third"))
    assert json.loads(burgee("apply", "--canary", "50", "--json").out)["baking"]["base"] == 2
    assert "release 2 is live" in burgee("rollback").out
    assert burgee("apply", "--canary", "0").code == 2
    assert burgee("apply", "--canary", "10", "--bake", "soon").code == 2


def test_a_canary_of_a_file_that_everyone_has_starts_nothing_and_says_so(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert burgee("apply", "--canary", "10").code == 0, "the first release has nothing to fall back on"
    again = burgee("apply", "--canary", "10")
    assert (again.code, "everyone has the file already, as release 1" in again.err) == (0, True)
    shown = burgee("apply", "--canary", "10", "--json")
    assert (shown.code, shown.json["live"], shown.json["baking"]) == (0, 1, None)
    assert burgee("apply").code == 0
    burgee.write(FILE.replace("first", "second"))
    for _ in range(2):
        tried = burgee("apply", "--canary", "10")
        assert (tried.code, "10 % of users get release 2 until" in tried.out) == (0, True)
    assert burgee("promote").code == 0
    assert burgee("apply", "--canary", "10").code == 0
    assert burgee("apply").code == 0
