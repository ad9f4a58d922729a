from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from burgee.access.keys import Kind, Scope
from burgee.cli.serve import written
from support.keys import FAR, OTHER, caller, expired, release, service, shop, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    for made in shop({"beta": {"status": True, "rollout_percentage": 5}}):
        for tenant in (OTHER, FAR):
            release(made.at(tenant), {"beta": {"status": True}})
        yield made


def columns(client: TestClient, *others: str) -> list[str]:
    """The environments of the list, with further keys in the request."""
    page = client.get("/fragments/flags", headers={"X-Burgee-Keys": " ".join(others)}).text
    return re.findall(r'data-env="([^"]*)"', page)


def test_a_further_key_adds_its_environment(store: SqliteStore) -> None:
    client = caller(store, Scope.READ)
    assert columns(client) == ["production"]
    assert columns(client, token(store.at(OTHER), Kind.ADMIN, Scope.READ)) == ["staging", "production"]


def test_a_further_key_opens_nothing_that_it_may_not_read(store: SqliteStore) -> None:
    client = caller(store, Scope.READ)
    staging = store.at(OTHER)
    for refused in (
        expired(staging, Kind.ADMIN, Scope.READ),
        token(staging, Kind.SERVER),
        token(staging, Kind.ADMIN, Scope.RELEASE),
        token(store.at(FAR), Kind.ADMIN, Scope.READ),
        "burgee_admin_shop/staging_0123456789abcdef_" + "0" * 64,
        "nonsense",
    ):
        assert columns(client, refused) == ["production"], refused


def test_a_further_key_is_no_key_of_the_request(store: SqliteStore) -> None:
    further = {"X-Burgee-Keys": token(store.at(OTHER), Kind.ADMIN, Scope.READ)}
    assert service(store).get("/fragments/flags", headers=further).status_code == 401


def test_an_open_service_shows_what_the_file_says_for_the_others(store: SqliteStore, tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    text = "version: 1\nenvironments: [staging, production]\nflags: {beta: {status: on}}\n"
    path.write_text(text)
    read = written(path)
    client = service(store, ring=None, written=read)
    assert columns(client) == ["staging", "production"]
    path.write_text(text.replace("staging", "trial"))
    assert columns(client) == ["trial", "production"]
    path.write_text("version: 1\nflags: [")
    assert columns(client) == ["trial", "production"], "the last good file"
    assert columns(service(store, written=read)) == [], "not where keys are required"
