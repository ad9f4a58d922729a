from __future__ import annotations

from typing import TYPE_CHECKING

from burgee.access.keys import Kind, Scope
from burgee.releases.proposals import Edit, ProposalState, create, mark
from support.keys import act, bearer, token
from support.markup import text_of

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS = {"beta": {"status": True, "rollout_percentage": 25}}
SCOPES = (Scope.READ, Scope.PROPOSE)


def test_a_proposal_says_what_it_changes_and_who_would_move(client: TestClient, store: SqliteStore) -> None:
    assert "No proposals" in text_of(client.get("/fragments/proposals").text)
    made = create(store, Edit("beta", {"rollout_percentage": 50}), "Half <b>of</b> all", act("proposal.create"))
    page = client.get("/fragments/proposals").text
    assert "Half &lt;b&gt;of&lt;/b&gt; all" in page
    assert "rollout_percentage: 25 → 50" in text_of(page)
    assert "waits for a pull request" in text_of(page)
    assert "ada: “because”" in text_of(page)
    assert "25 %" in text_of(client.get(f"/fragments/proposals/{made.id}/effect").text)
    assert client.get("/fragments/proposals/none/effect").status_code == 404


def test_only_the_address_of_a_page_is_a_link(client: TestClient, store: SqliteStore) -> None:
    for address, is_link in (("https://git.example/pull/7", True), ("javascript:alert(1)", False)):
        made = create(store, Edit("beta", {"rollout_percentage": 60}), address, act("proposal.create"))
        mark(store, made.id, ProposalState.OPENED, 0, address=address)
        assert (f'href="{address}"' in client.get("/fragments/proposals").text) is is_link


def test_a_proposal_is_closed_with_a_reason(client: TestClient, store: SqliteStore) -> None:
    made = create(store, Edit("beta", {"rollout_percentage": 50}), "Half", act("proposal.create"))
    dialog = client.get(f"/fragments/proposals/{made.id}/close").text
    assert f'data-act="/proposals/{made.id}" data-method="DELETE"' in dialog
    assert client.delete(f"/proposals/{made.id}", headers={"X-Burgee-Reason": "no"}).status_code == 204
    page = text_of(client.get("/fragments/proposals").text)
    assert "No edit waits for Git" in page
    assert "closed" in page
    client.headers.update(bearer(token(store, Kind.ADMIN, Scope.READ)))
    assert client.get(f"/fragments/proposals/{made.id}/close").status_code == 403
