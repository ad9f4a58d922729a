from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from burgee.evaluation.ruleset import Ruleset
from burgee.releases.deploy import live, write
from burgee.releases.overrides import killed, lay
from burgee.releases.proposals import Edit, create
from support.keys import act
from support.markup import text_of

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {
    "beta": {"status": True, "rollout_percentage": 50},
    "german": {"status": True, "rules": [{"when": {"country": "DE"}, "serve": "on"}], "default": {"serve": "off"}},
    "sale": {"status": False, "schedule": [{"at": "2040-01-01T00:00:00Z", "set": {"status": True}}]},
}


def answers(client: TestClient, **asked: str) -> dict[str, str]:
    """The rows by flag, as text."""
    answer = client.post("/fragments/playground", json=asked)
    assert answer.status_code == 200
    found = re.findall(r"<tr data-row[^>]*>(.*?)</tr>", answer.text, re.DOTALL)
    return {re.search(r'class="name"[^>]*>([^<]*)', one)[1]: text_of(one) for one in found}  # type: ignore[index]


def test_every_flag_is_answered_as_the_engine_answers(client: TestClient, store: SqliteStore) -> None:
    _, snapshot = live(store)
    for user in ("ada", "bob", "cy", "di"):
        context = {"targetingKey": user, "country": "DE"}
        found = answers(client, user=user, context="country=DE")
        expected = Ruleset(snapshot).evaluate_all(context)
        assert {name: row.split()[1] for name, row in found.items()} == {
            name: one.variant for name, one in expected.items()
        }


def test_what_differs_from_git_comes_first(client: TestClient, store: SqliteStore) -> None:
    write(store, lambda state, git: lay(state, git, "german", killed(git["flags"]["german"]), act("flag.kill")))
    found = answers(client, user="ada", context="country=DE", against="git")
    assert next(iter(found)) == "german"
    assert found["german"].startswith("german off on")
    assert "the same" in found["beta"]
    assert "the same" in answers(client, user="ada", context="country=FR", against="git")["german"]


def test_another_time_is_compared_with_now(client: TestClient) -> None:
    assert answers(client, at="2041-01-01T00:00:00Z", against="now")["sale"].startswith("sale on off")
    assert answers(client, at="+1h", against="now")["sale"].startswith("sale off the same")


def test_a_proposal_is_compared(client: TestClient, store: SqliteStore) -> None:
    made = create(store, Edit("beta", {"rollout_percentage": 100}), "Beta for all", act("proposal.create"))
    assert "the proposal “Beta for all”" in text_of(client.get("/fragments/playground").text)
    _, snapshot = live(store)
    outside = next(
        user
        for user in map(str, range(100))
        if Ruleset(snapshot).evaluate("beta", {"targetingKey": user}).variant == "off"
    )
    found = answers(client, user=outside, against=f"proposal:{made.id}")
    assert found["beta"].startswith("beta off on")


@pytest.mark.parametrize(
    "asked",
    [{"at": "tomorrow"}, {"at": "+x"}, {"against": "else"}, {"context": "no equals"}, {"user": "x" * 501}],
)
def test_what_cannot_be_asked_is_refused(client: TestClient, asked: dict[str, str]) -> None:
    assert client.post("/fragments/playground", json=asked).status_code == 422


def test_an_unknown_proposal_is_not_found(client: TestClient) -> None:
    assert client.post("/fragments/playground", json={"against": "proposal:none"}).status_code == 404


def test_without_a_user_flags_that_need_one_say_so(client: TestClient) -> None:
    assert "an error" in answers(client)["beta"]


def test_nothing_that_is_asked_is_markup_or_in_the_address(client: TestClient) -> None:
    bad = "<script>alert(1)</script>"
    answer = client.post("/fragments/playground", json={"user": bad, "context": f'a="{bad}"'})
    assert "<script" not in answer.text
    assert "?" not in str(answer.url)
