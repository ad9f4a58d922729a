from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from burgee.access.keys import Kind, Scope
from burgee.errors import Refused
from burgee.releases.deploy import CanaryRequest, Consent, apply, write
from burgee.releases.overrides import killed, lay
from burgee.stores import Origin
from burgee.web.console.screens import releases
from support.keys import ALL, act, bearer, release, token
from support.markup import text_of

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS = {"beta": {"status": True, "rollout_percentage": 25}, "dark": {"status": False}}
SCOPES = ALL


def rows(client: TestClient, query: str = "") -> list[str]:
    """The rows of the list as text."""
    answer = client.get(f"/fragments/releases{query}")
    assert answer.status_code == 200
    return [text_of(one) for one in re.findall(r"<tr data-row>(.*?)</tr>", answer.text, re.DOTALL)]


def test_each_release_says_what_it_changed(client: TestClient, store: SqliteStore) -> None:
    release(store, {**FLAGS, "dark": {"status": True}, "new": {"status": True}})
    newest, first = rows(client)
    assert newest.startswith("2 ")
    assert "live" in newest
    assert "dark , new" in newest
    assert "Roll back…" not in newest
    assert "beta , dark" in first
    assert "Roll back…" in first
    page = text_of(client.get("/fragments/releases/2").text)
    assert "dark changed status: off → on" in page
    assert "new added" in page
    assert client.get("/fragments/releases/9").status_code == 404


def test_who_may_not_release_is_not_offered_it(store: SqliteStore, client: TestClient) -> None:
    release(store, {"beta": {"status": True}})
    client.headers.update(bearer(token(store, Kind.ADMIN, Scope.READ)))
    assert not any("Roll back…" in one for one in rows(client))


def test_a_canary_shows_its_share_and_its_time_left(store: SqliteStore, client: TestClient) -> None:
    snapshot = {
        "format": 1,
        "environment": None,
        "flags": {"beta": {"status": False}},
        "segments": {},
        "holdouts": {},
    }
    share = Consent(shrunken=True, canary=CanaryRequest(10, 900))
    apply(store, snapshot, Origin(message="Off <b>now</b>"), act("release.activate"), share)
    page = client.get("/fragments/releases").text
    assert "serves release 1, and 2 to 10 % of users" in text_of(page)
    assert "Take it back…" in text_of(page)
    assert "Off &lt;b&gt;now&lt;/b&gt;" in page


def test_drift_is_named(store: SqliteStore, client: TestClient) -> None:
    assert "not as Git says" not in text_of(client.get("/fragments/releases").text)
    write(store, lambda state, git: lay(state, git, "beta", killed(git["flags"]["beta"]), act("flag.kill")))
    assert "1 flag is not as Git says" in text_of(client.get("/fragments/releases").text)


def test_a_long_history_is_paged(store: SqliteStore, client: TestClient) -> None:
    for number in range(14):
        release(store, {"beta": {"status": True, "rollout_percentage": number}})
    assert [one.split()[0] for one in rows(client)] == [str(number) for number in range(15, 5, -1)]
    assert "?before=6" in client.get("/fragments/releases").text
    assert [one.split()[0] for one in rows(client, "?before=6")] == ["5", "4", "3", "2", "1"]


def test_going_back_shows_its_effect_first_and_acts_once(store: SqliteStore, client: TestClient) -> None:
    release(store, {**FLAGS, "beta": {"status": True, "rollout_percentage": 40}})
    assert "Roll back to release 1 in production" in text_of(client.get("/fragments/releases/1/back").text)
    page = client.post("/fragments/releases/1/effect", json={}).text
    assert "beta: 15 % of all users lose on" in text_of(page)
    act_, etag, body = (
        unescape(re.search(f'data-{name}="([^"]*)"', page)[1])  # type: ignore[index]
        for name in ("act", "etag", "body")
    )
    sent = {**json.loads(body), "reason": "it broke"}
    assert client.post(act_, json=sent, headers={"If-Match": '"other"'}).status_code == 412
    assert client.post(act_, json=sent, headers={"If-Match": etag}).status_code == 200
    assert store.state().pointer.version == 1
    stale = text_of(client.post("/fragments/releases/1/effect", json={"stale": True}).text)
    assert "Someone else was faster" in stale
    assert "it broke" in stale


def test_two_browsers_go_back_while_others_change_what_is_live(store: SqliteStore, client: TestClient) -> None:
    """What moves between an effect and its act, a release or an override, stops the act until it was shown."""
    release(store, {**FLAGS, "beta": {"status": True, "rollout_percentage": 40}})

    def asked() -> tuple[str, str]:
        page = client.post("/fragments/releases/1/effect", json={"overrides": "discard"}).text
        return page, unescape(re.search('data-etag="([^"]*)"', page)[1])  # type: ignore[index]

    def acts(etag: str) -> int:
        sent = {"overrides": "discard", "reason": "it broke"}
        return client.post("/releases/1/activate", json=sent, headers={"If-Match": etag}).status_code

    (_, first), (_, second) = asked(), asked()
    release(store, {**FLAGS, "beta": {"status": True, "rollout_percentage": 60}})
    assert (acts(first), acts(second)) == (412, 412)
    _, first = asked()
    write(store, lambda state, git: lay(state, git, "beta", killed(git["flags"]["beta"]), act("flag.kill")))
    assert acts(first) == 412, "the override that it would end was not shown"
    page, first = asked()
    assert "The override of beta ends" in text_of(page)
    _, second = asked()
    assert (acts(first), acts(second)) == (200, 412)
    assert "Nobody moves" in text_of(asked()[0])


def test_a_refusal_to_go_back_is_said_beside_who_was_first(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise Refused("dry-run-too-large", "it takes too long to compute")

    monkeypatch.setattr(releases, "activation_effect", refuses)
    for stale in (False, True):
        answer = client.post("/fragments/releases/1/effect", json={"stale": stale})
        assert answer.status_code == 200, answer.text
        assert "it takes too long to compute" in text_of(answer.text)
        assert "data-ready" not in answer.text
        assert ("Someone else was faster" in answer.text) is stale


@pytest.mark.parametrize(("overrides", "first"), [("keep", "Nobody moves"), ("discard", "beta: All users get on")])
def test_the_effect_is_that_of_what_becomes_of_overrides(
    store: SqliteStore, client: TestClient, overrides: str, first: str
) -> None:
    """What is said is what happens: the flags that are served afterwards are those of the effect."""
    release(store, {**FLAGS, "beta": {"status": True}})
    release(store, {**FLAGS, "beta": {"status": True, "description": "Again"}})
    write(store, lambda state, git: lay(state, git, "beta", killed(git["flags"]["beta"]), act("flag.kill")))
    page = text_of(client.post("/fragments/releases/2/effect", json={"overrides": overrides}).text)
    assert first in page
    sent = {"overrides": overrides, "reason": "test"}
    assert client.post("/releases/2/activate", json=sent).status_code == 200
    assert bool(store.state().overrides) is (overrides == "keep")


def test_who_may_not_release_cannot_open_the_dialog(store: SqliteStore, client: TestClient) -> None:
    client.headers.update(bearer(token(store, Kind.ADMIN, Scope.READ, Scope.WRITE)))
    assert client.get("/fragments/releases/1/back").status_code == 403
    assert client.post("/fragments/releases/1/effect", json={}).status_code == 403
