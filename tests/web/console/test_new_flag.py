from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind, Scope
from burgee.flagfile.compile import compile_file
from burgee.releases.proposals import listed
from burgee.web.console.screens.new_flag import TEMPLATES
from support.keys import act, bearer, release, token
from support.markup import text_of

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS: dict[str, Any] = {"beta": {"status": True}}
SCOPES = (Scope.READ, Scope.PROPOSE)


def effect(client: TestClient, name: str, yaml: str) -> str:
    answer = client.post("/fragments/new-flag/effect", json={"name": name, "yaml": yaml, "mode": "propose"})
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.mark.parametrize("kind", TEMPLATES)
def test_each_template_is_a_flag_that_can_be_proposed(client: TestClient, store: SqliteStore, kind: str) -> None:
    page = client.get(f"/fragments/new-flag?as={kind}").text
    yaml = unescape(re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)[1])  # type: ignore[index]
    found = effect(client, "new_search", yaml)
    assert 'data-act="/proposals"' in found
    assert 'data-done="/fragments/flags/new_search/done"' in found
    body = json.loads(unescape(re.search(r'data-body="([^"]*)"', found)[1]))  # type: ignore[index]
    made = client.post("/proposals", json={**body, "reason": "it is wanted"})
    assert made.status_code == 201, made.text
    done = text_of(client.get("/fragments/flags/new_search/done", params={"id": made.json()["id"]}).text)
    assert "Nobody moves until it is merged and released." in done
    (proposal,) = listed(store, act().now)
    assert proposal.edit.flag == "new_search"


@pytest.mark.parametrize("kind", TEMPLATES)
def test_the_templates_are_those_of_a_flag_file(tmp_path: Path, kind: Any) -> None:
    lines = "\n".join(f"    {line}" for line in TEMPLATES[kind][1].splitlines())
    (tmp_path / "flags.yaml").write_text(f"version: 1\nflags:\n  a:\n{lines}\n", encoding="utf-8")
    assert "status" in compile_file(tmp_path / "flags.yaml")["flags"]["a"]


def test_the_description_and_the_owner_are_fields_so_that_no_example_is_proposed(client: TestClient) -> None:
    typed = {"name": "new", "yaml": "status: on", "description": " A new search ", "owner": ""}
    found = client.post("/fragments/new-flag/effect", json=typed).text
    body = json.loads(unescape(re.search(r'data-body="([^"]*)"', found)[1]))  # type: ignore[index]
    assert body == {"flag_name": "new", "description": "A new search", "status": True}
    made = client.post("/proposals", json={**body, "reason": "it is wanted"}).json()
    assert made["title"] == "Add new"
    for beside, yaml, field, why in (
        ({"owner": "web"}, "status: on\nowner: search", "owner", "the YAML has it too"),
        ({"description": "x" * 501}, "status: on", "description", "500"),
    ):
        found = client.post("/fragments/new-flag/effect", json={"name": "new", "yaml": yaml, **beside}).text
        faults = re.findall(r'<li data-field="([^"]*)"[^>]*>(.*?)</li>', found)
        assert [one[0] for one in faults] == [field]
        assert why in unescape(faults[0][1])


def test_who_would_get_it_is_said_before(client: TestClient) -> None:
    assert "5 % of all users get on: 1 in 20" in text_of(effect(client, "new", "status: on\nrollout_percentage: 5\n"))


@pytest.mark.parametrize(
    ("typed", "field", "why"),
    [
        (("", "status: on"), "", "the flag has no name yet"),
        (("beta", "status: on"), "name", "there is a flag beta already"),
        (("gone", "status: on"), "name", "a flag of this name was removed on"),
        (("a b", "status: on"), "name", "is not a name"),
        (("new", "status: maybe"), "yaml", "line 1, column 9"),
        (("new", "status: on\nrollout_percentage: 900\n"), "yaml", "line 2, column 21"),
        (("new", "status: on\nrollout_percentage: " + "9" * 400), "yaml", "line 2, column 21"),
        (("new", "status: on\nstatus: off"), "yaml", "line 2, column 1"),
        (("new", "status: on\nrollout_percentage:"), "yaml", "line 2, column 1"),
        (("new", "["), "yaml", "did not find expected node content"),
        (("new", "- 1"), "yaml", "a flag is a mapping of keys"),
        (("new", "status: on\nrequires: [{flag: nope, variant: on}]"), "yaml", "there is no flag"),
    ],
)
def test_what_does_not_fit_is_said_beside_its_field(
    client: TestClient, store: SqliteStore, typed: tuple[str, str], field: str, why: str
) -> None:
    release(store, {**FLAGS, "gone": {"status": True}})
    release(store, FLAGS)
    found = effect(client, *typed)
    assert "data-ready" not in found
    faults = re.findall(r'<li data-field="([^"]*)"[^>]*>(.*?)</li>', found)
    assert [one[0] for one in faults] == [field]
    assert why in unescape(faults[0][1])


def test_a_reader_is_offered_no_new_flag(store: SqliteStore, client: TestClient) -> None:
    assert "New flag…" in client.get("/fragments/flags").text
    assert "New flag…" in client.post("/fragments/find", json={"q": "new"}).text
    client.headers.update(bearer(token(store, Kind.ADMIN, Scope.READ)))
    assert "New flag…" not in client.get("/fragments/flags").text
    assert "New flag…" not in client.post("/fragments/find", json={"q": "new"}).text
    assert client.get("/fragments/new-flag").status_code == 403
