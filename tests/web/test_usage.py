"""`GET /usage` and the console's pages say what was recorded, to those who may read it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind, Scope
from burgee.cli.recording import LocalUsage
from burgee.cli.stores import StoreOptions
from burgee.events.records import RecordScope
from burgee.events.usage_database import UsageDatabase
from burgee.events.usage_records import Cell, Window, usage_records
from burgee.serving.serving import Serving
from burgee.stores import Tenant
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.keys import bearer, release, token
from support.markup import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLAGS = {"half": {"status": True, "rollout_percentage": 50}, "plain": {"status": True}, "other": {"status": True}}


def cell(flag: str, variant: str | None, **more: Any) -> Cell:
    made = Cell(flag, variant, "SPLIT", "default", None, 1, override=False, key="<b>shop</b>", bulk=False)
    return made._replace(**more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "state.sqlite", Tenant("default", "production"))
    release(made, FLAGS)
    yield made
    made.close()


@pytest.fixture
def app(store: SqliteStore, tmp_path: Path) -> TestClient:
    where = StoreOptions(tmp_path / "flags.yaml", "production", tmp_path / "state.sqlite")
    (tmp_path / ".burgee").mkdir()
    usage = UsageDatabase(tmp_path / ".burgee/usage.sqlite")
    now = time.time()
    for minute in range(60):
        counts = {
            cell("half", "on"): 9,
            cell("plain", "on", bulk=True, key=""): 2,
            cell("gone", None, error="FLAG_NOT_FOUND"): 1,
        }
        at = now - minute * 60
        usage.write(usage_records(counts, Window(at - 60, at), RecordScope("default", "production")))
    usage.close()
    made = create_app(
        store, Serving(store, refresh_seconds=0), Setup(ring=KeyRing(store), limits=None), None, LocalUsage(where)
    )
    return TestClient(made)


def read(app: TestClient, path: str, store: SqliteStore, *scopes: Scope) -> Any:
    return app.get(path, headers=bearer(token(store, Kind.ADMIN, *scopes)))


def test_usage_is_what_was_recorded_and_meets_its_schema(app: TestClient, store: SqliteStore) -> None:
    answer = read(app, "/usage?since=24h", store, Scope.READ)
    body = answer.json()
    half, plain, other = body["flags"]
    assert (half["by_name"]["answers"], half["variants"], half["shares"][0]["deviates"]) == (540, {"on": 540}, True)
    assert (plain["by_name"]["answers"], plain["bulk"]["answers"]) == (0, 120)
    assert other["by_name"] == other["bulk"] == {"answers": 0, "last": None}
    assert [one["flag"] for one in body["unknown"]] == ["gone"]
    document = app.get("/openapi.json").json()["paths"]["/usage"]["get"]
    assert document["x-burgee-needs"] == "read"
    Draft202012Validator(document["responses"]["200"]["content"]["application/json"]["schema"]).validate(body)
    (one,) = read(app, "/usage?flag=half", store, Scope.READ).json()["flags"]
    assert one["flag"] == "half"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?since=x", 422),
        ("?since=0d", 422),
        ("?flag=nope", 404),
        ("?user=ada", 422),
        ("?flag=%00", 404),
        ("?since=", 422),
    ],
)
def test_what_cannot_be_answered_is_said(app: TestClient, store: SqliteStore, query: str, status: int) -> None:
    answer = read(app, f"/usage{query}", store, Scope.READ)
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_a_service_that_reads_no_usage_says_where_it_is_to_who_may_read_it(store: SqliteStore) -> None:
    """As on AWS."""
    app = TestClient(create_app(store, Serving(store, refresh_seconds=0), Setup(ring=KeyRing(store), limits=None)))
    for path, scope, said in (
        ("/usage", Scope.READ, "burgee usage --events"),
        ("/metrics", Scope.METRICS, "CloudWatch"),
    ):
        answer = read(app, path, store, scope)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert said in answer.json()["detail"]
        assert read(app, path, store, Scope.PROPOSE).status_code == 403
        assert app.get(path).status_code == 401
        assert path not in app.get("/openapi.json").json()["paths"]


def test_only_keys_of_the_same_tenant_that_read_get_it(app: TestClient, store: SqliteStore) -> None:
    assert app.get("/usage").status_code == 401
    for kind in (Kind.SERVER, Kind.CLIENT):
        assert app.get("/usage", headers=bearer(token(store, kind))).status_code == 403
    assert read(app, "/usage", store, Scope.PROPOSE).status_code == 403
    elsewhere = store.at(Tenant("default", "staging"))
    assert read(app, "/usage", elsewhere, Scope.READ).status_code == 404


def test_the_console_shows_it_on_a_flags_page_and_in_the_list(app: TestClient, store: SqliteStore) -> None:
    page = read(app, "/fragments/flags/half", store, Scope.READ).text
    assert "<b>shop</b>" not in page
    text = text_of(page)
    assert "by name 540, " in text
    assert "answered on 100 %" in text
    assert "a client sends a wrong context" in text
    rows = text_of(read(app, "/fragments/flags", store, Scope.READ).text)
    assert "not asked for in 30 days" in rows
    assert "Last changed, last asked for" in rows
    assert rows.count("only in bulk") == 1
    assert "in bulk 120" in text_of(read(app, "/fragments/flags/plain", store, Scope.READ).text)


def test_without_records_the_console_says_nothing_of_it(store: SqliteStore) -> None:
    made = TestClient(create_app(store, Serving(store, refresh_seconds=0), Setup(ring=KeyRing(store))))
    assert "Usage" not in text_of(read(made, "/fragments/flags/half", store, Scope.READ).text)
    assert read(made, "/usage", store, Scope.READ).status_code == 404


def test_a_page_does_without_usage_that_cannot_be_read(app: TestClient, store: SqliteStore, tmp_path: Path) -> None:
    for path in tmp_path.joinpath(".burgee").iterdir():
        path.unlink()
    tmp_path.joinpath(".burgee/usage.sqlite").write_bytes(b"something else, and long enough to look like a file" * 50)
    assert "Usage" not in text_of(read(app, "/fragments/flags/half", store, Scope.READ).text)
    assert read(app, "/fragments/flags", store, Scope.READ).status_code == 200
    assert read(app, "/usage", store, Scope.READ).status_code in {500, 503}
    assert read(app, "/metrics", store, Scope.METRICS).status_code in {500, 503}
