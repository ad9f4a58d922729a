from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import burgee
from burgee.access.keys import Scope
from burgee.guards import interventions
from burgee.guards.transitions import Action
from burgee.releases.deploy import write
from burgee.releases.overrides import killed, lay, lift
from burgee.web.console.history import WORDS
from support.keys import act, caller, release
from support.markup import text_of

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores import Store
    from burgee.stores.sqlite import SqliteStore

FLAGS = {"beta": {"status": True, "rollout_percentage": 25}, "dark": {"status": False}}
SCOPES = (Scope.READ, Scope.WRITE)


def kill(store: Store, flag: str, *, ago: float = 0.0) -> None:
    write(
        store,
        lambda state, git: lay(state, git, flag, killed(git["flags"][flag]), act("flag.kill", ago=ago)),
    )


def lines(client: TestClient, query: str = "") -> list[str]:
    """The lines of the feed as text."""
    answer = client.get(f"/fragments/changes{query}")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return [text_of(one) for one in re.findall(r"<li data-row(.*?)</li>", answer.text, re.DOTALL)]


def test_the_newest_change_comes_first_with_who_and_why(client: TestClient, store: SqliteStore) -> None:
    kill(store, "beta")
    first, *_ = lines(client)
    assert "beta" in first
    assert "switched off" in first
    assert "status: on → off" in first
    assert "ada: “because”" in first
    assert "production" in first


def test_a_window_leaves_out_what_is_older(client: TestClient, store: SqliteStore) -> None:
    release(store, {**FLAGS, "new": {"status": True}})
    assert len(lines(client, "?since=15m&show=releases")) == 2
    # An id is never before that of an earlier entry, so the clock of a later test's service has to go on instead.
    kill(store, "beta", ago=7200)
    assert "beta" not in " ".join(lines(client, "?since=1h&show=flags"))
    assert "beta" in " ".join(lines(client, "?since=6h&show=flags"))


def test_the_search_and_the_kinds_filter(client: TestClient, store: SqliteStore) -> None:
    kill(store, "beta")
    assert all("beta" in one for one in lines(client, "?q=BETA"))
    assert not lines(client, "?q=nothing+like+it")
    assert "Nothing changed" in client.get("/fragments/changes?q=nothing+like+it").text
    assert all("released" in one for one in lines(client, "?show=releases"))
    assert all("key created" in one for one in lines(client, "?show=admin"))
    assert len(lines(client, "?show=flags")) == 1


def test_an_override_in_force_can_be_taken_back_from_its_entry(client: TestClient, store: SqliteStore) -> None:
    kill(store, "beta")
    assert "Take back…" in lines(client)[0]
    write(store, lambda state, git: lift(state, git, "beta", act("override.clear")))
    assert not any("Take back…" in one for one in lines(client))


def test_an_entry_has_an_address_and_says_who_moved(client: TestClient, store: SqliteStore) -> None:
    kill(store, "beta")
    entry = store.audit(limit=1)[0]
    page = client.get(f"/fragments/changes/{entry.id}")
    assert "beta : switched off" in text_of(page.text)
    effect = text_of(client.get(f"/fragments/changes/{entry.id}/effect").text)
    assert "beta: some users lose it" in effect
    assert "25 %" in effect
    assert client.get("/fragments/changes/none").status_code == 404
    assert client.get("/fragments/changes/none/effect").status_code == 404


def test_nothing_that_an_entry_holds_is_markup(client: TestClient, store: SqliteStore) -> None:
    bad = "\"'><script>alert(1)</script>"
    why = act("flag.kill")._replace(reason=bad, author=bad)
    write(store, lambda state, git: lay(state, git, "beta", {"status": False, "description": bad}, why))
    entry = store.audit(limit=1)[0]
    pages = [f"?q={bad}", "", f"/{entry.id}", f"/{entry.id}/effect"]
    text = "".join(client.get(f"/fragments/changes{page}").text for page in pages)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_who_may_not_read_sees_nothing(store: SqliteStore) -> None:
    client = caller(store, Scope.PROPOSE)
    assert client.get("/fragments/changes").status_code == 403
    assert client.get("/fragments/releases").status_code == 403


def test_every_action_of_the_log_has_words() -> None:
    """Actions are written in the code as "noun.verb"; words for all but those that describe their values."""
    written = set()
    for path in Path(burgee.__file__).parent.rglob("*.py"):
        nouns = r"flag|override|release|canary|proposal|key|settings|webhook"
        written |= set(re.findall(rf'"((?:{nouns})\.[a-z]+)"', path.read_text(encoding="utf-8")))
    acts = {
        name
        for name, value in vars(interventions).items()
        if inspect.isfunction(value) and "by" in inspect.signature(value).parameters
    }
    written |= {f"guard.{one}" for one in {*Action, *acts}}
    described = {"flag.create", "flag.update", "override.set", "release.json"}
    assert len(written) > 20
    assert written - described == set(WORDS) - described


def test_the_day_stands_beside_the_time_of_what_is_of_another_day(client: TestClient, store: SqliteStore) -> None:
    kill(store, "beta", ago=2 * 86_400)
    kill(store, "dark")
    today, before = lines(client, "?since=7d")[0], lines(client, "?since=7d&q=beta")[0]
    assert re.match(r"\W*\d\d:\d\d just now", today[today.index(":") - 2 :])
    assert re.search(r"\d+ \w{3} \d{4} \d\d:\d\d 2 days ago", before)


def test_what_is_older_than_the_time_looked_at_is_one_click_away(client: TestClient, store: SqliteStore) -> None:
    kill(store, "beta", ago=2 * 86_400)
    page = client.get("/fragments/changes?q=beta").text
    (address,) = re.findall(r'href="/console/(changes\?[^"]*)"', page)
    assert "beta" in lines(client, address.removeprefix("changes").replace("&amp;", "&"))[0]
    assert "Look at" not in client.get("/fragments/changes?q=none&since=30d").text
