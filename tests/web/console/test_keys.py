from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING

import pytest

from burgee.access.keys import Kind, Scope, create, listed
from burgee.web.console.screens.keys import PRESETS, Preset
from support.keys import ALL, act, bearer, caller, token
from support.markup import text_of

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore

FLAGS = {"beta": {"status": True}}
SCOPES = ALL


def test_every_key_is_listed_without_its_secret(client: TestClient, store: SqliteStore) -> None:
    made = create(store, Kind.CLIENT, "shop <web>", act("key.create", until="2040-01-01T00:00:00Z"))
    page = client.get("/fragments/keys").text
    assert "shop <web>" in text_of(page)
    assert "shop <web>" not in page
    assert made.key.id in page
    assert made.token not in page
    assert made.key.digest not in page
    assert "expires 1 Jan 2040" in text_of(page)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)
def test_each_preset_makes_the_key_that_it_says(client: TestClient, store: SqliteStore, preset: Preset) -> None:
    page = client.get(f"/fragments/keys/new?preset={preset.name}").text
    body = json.loads(unescape(re.search(r'data-body="([^"]*)"', page)[1]))  # type: ignore[index]
    answer = client.post("/keys", json={**body, "name": "new", "reason": "test"})
    assert answer.status_code == 201
    (key,) = [key for key, _ in listed(store) if key.name == "new"]
    assert (key.kind, key.scopes) == (preset.kind, tuple(preset.scopes))


def test_the_dialogs_name_the_key_and_the_route(client: TestClient, store: SqliteStore) -> None:
    made = create(store, Kind.SERVER, "billing", act("key.create"))
    for name, words in (("rotate", "Replace the key billing"), ("revoke", "Revoke the key billing")):
        page = client.get(f"/fragments/keys/{made.key.id}/{name}").text
        assert words in text_of(page)
        assert f'data-act="/keys/{made.key.id}' in page
        assert client.get(f"/fragments/keys/{'0' * 16}/{name}").status_code == 404


def test_who_may_not_keep_keys_is_neither_shown_nor_offered_them(store: SqliteStore) -> None:
    client = caller(store, Scope.READ, Scope.WRITE)
    for path in ("", "/new", f"/{'0' * 16}/rotate", f"/{'0' * 16}/revoke"):
        assert client.get(f"/fragments/keys{path}").status_code == 403
    assert 'href="/console/keys"' not in client.get("/fragments/frame").text
    client.headers.update(bearer(token(store, Kind.ADMIN, *ALL)))
    assert 'href="/console/keys"' in client.get("/fragments/frame").text
