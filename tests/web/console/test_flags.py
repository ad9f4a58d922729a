from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from burgee.releases.deploy import write
from burgee.releases.overrides import killed, lay
from burgee.releases.proposals import Edit, create
from burgee.web.console.screens.flags import PAGE
from support.keys import act, release
from support.markup import text_of

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {
    "beta": {"status": True, "rollout_percentage": 25, "owner": "search", "description": "New search"},
    "checkout": {
        "status": True,
        "owner": "payments",
        "tags": ["q1"],
        "variants": {"control": "blue", "green": "green"},
        "off_variant": "control",
        "rules": [{"name": "Germany", "when": {"country": "DE"}, "rollout_percentage": 40, "serve": "green"}],
        "default": {"serve": "control"},
    },
    "dark": {"status": False},
}


def rows(client: TestClient, query: str = "") -> dict[str, str]:
    """The rows of the list as text, by flag, in their order."""
    answer = client.get(f"/fragments/flags{query}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    found = re.findall(r"<tr data-row>(.*?)</tr>", answer.text, re.DOTALL)
    return {re.search(r'class="name"[^>]*>([^<]*)', one)[1]: text_of(one) for one in found}  # type: ignore[index]


def test_every_flag_shows_the_shares_that_are_served(client: TestClient) -> None:
    found = rows(client)
    assert "25 % on" in found["beta"]
    assert "Germany 40 % green" in found["checkout"]
    assert "others control for all" in found["checkout"]
    assert "off" in found["dark"]


def test_a_flag_that_is_not_as_git_says_comes_first_with_both(client: TestClient, store: SqliteStore) -> None:
    write(store, lambda state, git: lay(state, git, "checkout", killed(git["flags"]["checkout"]), act("flag.kill")))
    found = rows(client)
    assert next(iter(found)) == "checkout"
    assert "Git: 40 % green in Germany" in found["checkout"]
    page = text_of(client.get("/fragments/flags").text)
    assert "1 is not as Git says" in page
    assert "“because”, ada, just now" in page


def test_what_differs_in_no_share_is_named(client: TestClient, store: SqliteStore) -> None:
    named = {**FLAGS["checkout"], "targets": {"green": ["ada"]}}
    write(store, lambda state, git: lay(state, git, "checkout", named, act("flag.update")))
    assert "Git: other targets" in rows(client)["checkout"]
    assert "checkout has other targets than Git says in production" in text_of(client.get("/fragments/flags").text)


def test_a_proposal_is_no_change(client: TestClient, store: SqliteStore) -> None:
    create(store, Edit("beta", {"rollout_percentage": 30}), "More", act("proposal.create"))
    assert "just now" not in rows(client)["beta"]


def test_filters_are_those_of_the_api(client: TestClient, store: SqliteStore) -> None:
    assert set(rows(client, "?q=owner:payments")) == {"checkout"}
    assert set(rows(client, "?q=tag:q1")) == {"checkout"}
    assert set(rows(client, "?q=status:off")) == {"dark"}
    assert set(rows(client, "?q=new search")) == {"beta"}
    assert not rows(client, "?show=overridden")
    write(store, lambda state, git: lay(state, git, "beta", {"status": False}, act("flag.update")))
    assert set(rows(client, "?show=overridden")) == set(rows(client, "?show=differs")) == {"beta"}


def test_a_flag_that_a_needed_one_moves_is_not_as_git_says_either(client: TestClient, store: SqliteStore) -> None:
    release(store, {**FLAGS, "tips": {"status": True, "requires": [{"flag": "beta", "variant": "on"}]}})
    release(store, {**FLAGS, **{name: {"status": name == "tips", "requires": [{"flag": "beta", "variant": "on"}]}
                                for name in ("tips", "unmoved")}})  # fmt: skip
    assert not rows(client, "?show=differs")
    write(store, lambda state, git: lay(state, git, "beta", {"status": False}, act("flag.update")))
    assert list(rows(client, "?show=differs")) == ["beta", "tips"]
    page = client.get("/fragments/flags").text
    assert "2 are not as Git says" in text_of(page)
    assert "Differs from Git 2" in text_of(page)
    assert "2 flags are not as Git says" in text_of(client.get("/fragments/releases").text)


def test_a_flag_that_a_needed_one_moves_says_by_which(client: TestClient, store: SqliteStore) -> None:
    release(store, {**FLAGS, "tips": {"status": True, "requires": [{"flag": "beta", "variant": "on"}]}})
    write(store, lambda state, git: lay(state, git, "beta", killed(git["flags"]["beta"]), act("flag.kill")))
    assert "by beta" in rows(client)["tips"]


def test_a_search_without_a_match_suggests_what_is_near(client: TestClient) -> None:
    page = text_of(client.get("/fragments/flags?q=owner:payment").text)
    assert "No flag matches “owner:payment” Did you mean owner:payments ?" in page


def test_a_service_without_flags_says_how_one_is_written(client: TestClient, store: SqliteStore) -> None:
    from burgee.evaluation.snapshots import EMPTY
    from burgee.releases.deploy import Consent, apply
    from burgee.stores import Origin

    apply(store, EMPTY, Origin(), act(), Consent(empty=True, shrunken=True))
    assert "No flags yet" in client.get("/fragments/flags").text


def test_a_long_list_is_paged_by_the_server(client: TestClient, store: SqliteStore) -> None:
    release(store, {f"flag_{number:04}": {"status": True} for number in range(PAGE * 2 + 1)})
    assert [len(rows(client, f"?page={page}")) for page in (1, 2, 3, 9)] == [PAGE, PAGE, 1, 1]
    assert next(iter(rows(client, "?page=2"))) == f"flag_{PAGE:04}"


def test_nothing_that_a_file_holds_is_markup(client: TestClient, store: SqliteStore) -> None:
    bad = "\"'><script>alert(1)</script>"
    release(
        store,
        {
            "bad": {
                "status": True,
                "description": bad,
                "owner": bad,
                "tags": [bad],
                "rules": [{"name": bad, "when": {"country": bad}, "serve": "on"}],
                "rollout_percentage": 5,
            }
        },
    )
    write(store, lambda state, git: lay(state, git, "bad", {"status": False}, act()._replace(reason=bad, author=bad)))
    page = client.get(f"/fragments/flags?q={bad}").text + client.get("/fragments/flags").text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
