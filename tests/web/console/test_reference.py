from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from support.keys import service, shop
from support.markup import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient


@pytest.fixture
def client() -> Iterator[TestClient]:
    for store in shop({}):
        yield service(store)


def test_every_operation_of_the_document_is_on_the_page(client: TestClient) -> None:
    page = client.get("/docs").text
    found = re.findall(r'<b class="method">([A-Z]+)</b> <code>([^<]*)</code>', page)
    paths = client.get("/openapi.json").json()["paths"]
    assert sorted(found) == sorted(
        (method.upper(), path) for path, operations in paths.items() for method in operations
    )


def test_parameters_and_members_have_their_types(client: TestClient) -> None:
    page = text_of(client.get("/docs").text)
    assert "dry_run query, boolean : Return the effect without changing anything." in page
    assert "reason body, string or null : Why." in page
    assert "flag_name required body, string : Its name." in page
    assert "Needs: write." in page


def test_it_runs_nothing_and_loads_nothing_from_elsewhere(client: TestClient) -> None:
    answer = client.get("/docs")
    assert "<script" not in answer.text
    assert not re.findall(r'(?:src|href)="(?!/|#)', answer.text)
    moved = client.get("/redoc", follow_redirects=False)
    assert (moved.status_code, moved.headers["location"]) == (307, "/docs")
