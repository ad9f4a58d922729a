from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Scope
from burgee.evaluation.ruleset import Ruleset
from burgee.releases.deploy import apply, write
from burgee.releases.overrides import lay
from burgee.stores import Origin
from burgee.web.console.screens.flag import placed
from support.keys import act, caller, shop
from support.markup import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

RULES: list[dict[str, Any]] = [
    {"name": "staff", "when": {"segment": "staff"}, "serve": "green"},
    {
        "name": "Germany",
        "when": {"country": "DE"},
        "rollout_percentage": 40,
        "split": {"control": 50, "green": 50},
        "salt": "de-1",
    },
]
CHECKOUT: dict[str, Any] = {
    "status": True,
    "variants": {"control": "blue", "green": "green"},
    "off_variant": "control",
    "targets": {"green": ["user-1", "user-2"]},
    "requires": [{"flag": "dark", "variant": "on"}],
    "rules": RULES,
    "default": {"serve": "control"},
}
FLAGS: dict[str, Any] = {
    "dark": {"status": True},
    "checkout": CHECKOUT,
    "page": {"status": True, "requires": [{"flag": "checkout", "variant": "green"}]},
    "ramp": {
        "status": True,
        "rollout_percentage": {"from": 0, "to": 100, "start": "2099-01-01", "end": "2099-01-11"},
        "expires": "2099-03-01",
    },
}
SEGMENTS = {"staff": {"email": {"ends_with": "@example.com"}}}


def begin(store: SqliteStore, flags: dict[str, Any]) -> None:
    """Makes these flags the live release, with the segments."""
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": SEGMENTS, "holdouts": {}}
    apply(store, snapshot, Origin(commit="abc", author="ines", message="Begin"), act("release.activate"))


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    for made in shop({}):
        begin(made, FLAGS)
        yield made


def override(store: SqliteStore) -> None:
    """Germany at 35 %."""
    changed = {**CHECKOUT, "rules": [RULES[0], {**RULES[1], "rollout_percentage": 35}]}
    write(store, lambda state, git: lay(state, git, "checkout", changed, act("flag.update")))


def test_rules_are_sentences_in_the_order_in_which_they_decide(client: TestClient) -> None:
    page = text_of(client.get("/fragments/flags/checkout").text)
    places = [
        page.index(part)
        for part in (
            "It needs dark to give on; others get control.",
            "Named users user-1, user-2 get green.",
            "staff Users with segment staff get green.",
            "Germany Of users with country = DE, 40 % get one of control, green. The others go on below.",
            "Everybody else All get control.",
        )
    ]
    assert places == sorted(places)
    assert "20 % control 20 % green 60 % go on" in page
    assert "needed by page" in page
    assert "segment staff : email ends with @example.com" in page


def test_the_only_decision_is_of_everybody(client: TestClient) -> None:
    page = text_of(client.get("/fragments/flags/dark").text)
    assert "Everybody All get on." in page
    asked = client.post("/fragments/flags/dark/why", json={"user": "ada", "context": ""})
    assert "Everybody answers" in text_of(asked.text)


def test_a_tag_leads_to_the_flags_that_have_it(client: TestClient, store: SqliteStore) -> None:
    begin(store, {**FLAGS, "tagged": {"status": True, "tags": ["q1 & more"]}})
    assert 'href="/console/flags?q=tag:q1%20%26%20more"' in client.get("/fragments/flags/tagged").text


@pytest.mark.parametrize(
    ("bucket", "low", "high", "words"),
    [
        (18_275, 0, 10_000, "place 18.275 % is not below 10 %"),
        (9_999, 0, 10_000, "place 9.999 % is below 10 %"),
        (5, 20_000, 30_000, "place 0.005 % is not from 20 % to 30 %"),
        (20_000, 20_000, 30_000, "place 20 % is from 20 % to 30 %"),
    ],
)
def test_a_place_on_the_hash_line_is_said_in_percent(bucket: int, low: int, high: int, words: str) -> None:
    assert placed(bucket, low, high, inside=low <= bucket < high).replace("\N{NO-BREAK SPACE}", " ") == words


def test_ranges_requirements_and_ends_of_rules_are_said(client: TestClient, store: SqliteStore) -> None:
    ranges = {"ranges": {"control": [0, 30], "green": [50, 60]}}
    needing = {"name": "EU", "when": {"eu": True}, "requires": [{"flag": "dark", "not_variant": ["off"]}], **ranges}
    rules = [{**needing, "end": "2099-01-01"}]
    begin(store, {**FLAGS, "checkout": {**CHECKOUT, "rules": rules, "default": ranges}})
    page = text_of(client.get("/fragments/flags/checkout").text)
    who = "Of users with eu = true and dark gives not off, 40 % get one of control, green. The others go on below."
    assert f"EU {who} The rule ends at 2099-01-01T00:00:00Z." in page
    assert "30 % control 10 % green 60 % go on" in page
    assert "Everybody else 40 % get one of control, green; the others get control." in page


def test_what_is_live_stands_beside_what_git_says(client: TestClient, store: SqliteStore) -> None:
    override(store)
    page = text_of(client.get("/fragments/flags/checkout").text)
    assert "In production it is not as Git says “because”: ada" in page
    assert "Of users with country = DE, 35 % get" in page
    assert "Git: Of users with country = DE, 40 % get" in page
    assert "live Germany 17.5 % green" in page
    assert "Git Germany 20 % green" in page
    assert "ada: changed, “because” Germany: rollout percentage: 40 → 35" in page


def test_what_a_needed_flag_changes_is_not_called_git_s(client: TestClient, store: SqliteStore) -> None:
    def shown(flag: str) -> tuple[str, str]:
        return text_of(client.get(f"/fragments/flags/{flag}").text), text_of(
            client.get(f"/fragments/flags?q={flag}").text
        )

    page, row = shown("checkout")
    assert "as Git says" in page
    assert "Git: " not in row
    write(store, lambda state, git: lay(state, git, "dark", {"status": False}, act("flag.kill")))
    for flag, live, git in (("checkout", "control for all", "green for all"), ("page", "off for all", "on for all")):
        page, row = shown(flag)
        assert "by a flag that it needs live all" in page, flag
        assert f"live all {live}" in page, flag
        assert git in page, flag
        assert "Git: " in row, flag
    page, row = shown("ramp")
    assert "as Git says" in page
    assert "Git: " not in row


def test_a_user_is_explained_as_the_engine_decides(client: TestClient, store: SqliteStore) -> None:
    override(store)
    live = Ruleset({"flags": FLAGS, "segments": SEGMENTS}, store.state().overrides.values())
    for user in ("user-1", "user-17", "user-10", "u4"):
        asked = {"user": user, "context": 'country=DE plan="pro plus", age=7'}
        page = text_of(client.post("/fragments/flags/checkout/why", json=asked).text)
        wanted = live.evaluate("checkout", {"targetingKey": user, "country": "DE"})
        assert page.startswith(f"{user} gets {wanted.variant} ")
        git = Ruleset({"flags": FLAGS, "segments": SEGMENTS}).evaluate(
            "checkout", {"targetingKey": user, "country": "DE"}
        )
        assert (f"As Git says it would be: {git.variant}" in page) is (git.variant != wanted.variant)


def test_a_context_that_cannot_be_read_is_refused(client: TestClient) -> None:
    answer = client.post("/fragments/flags/checkout/why", json={"user": "a", "context": "country"})
    assert (answer.status_code, answer.json()["detail"]) == (422, "context: 'country' is not written as country=DE")
    answer = client.post("/fragments/flags/checkout/why", json={"user": "a", "context": "a=1 a.b=2"})
    assert answer.status_code == 422


def test_what_comes_by_itself_is_listed_with_who_moves(client: TestClient) -> None:
    page = text_of(client.get("/fragments/flags/ramp").text)
    assert "1 Jan 2099, 00:00 UTC" in page
    assert "rollout moves from 0 % to 100 %" in page
    assert "1 Mar 2099" in page


def test_the_releases_that_changed_a_flag_are_found(client: TestClient, store: SqliteStore) -> None:
    begin(store, {**FLAGS, "checkout": {**CHECKOUT, "description": "new"}, "page": {"status": True}})
    found = text_of(client.get("/fragments/flags/dark/releases").text)
    assert "Release 2 by ines: “Begin” abc" in found
    assert "Release 3" not in found
    assert "Release 3" in text_of(client.get("/fragments/flags/checkout/releases").text)


def test_a_reader_is_offered_no_change(client: TestClient, store: SqliteStore) -> None:
    override(store)
    page = client.get("/fragments/flags/checkout").text
    assert "data-dialog" not in page
    writing = caller(store, Scope.READ, Scope.WRITE)
    page = writing.get("/fragments/flags/checkout").text
    assert "Switch off…" in page
    assert "Take the override back…" in page


def test_there_is_no_page_of_a_flag_that_is_nowhere(client: TestClient) -> None:
    assert client.get("/fragments/flags/none").status_code == 404
