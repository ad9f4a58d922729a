"""`GET /metrics` is read by Prometheus's own parser, and by those alone whose key has the scope."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
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
from burgee.version import __version__
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.keys import bearer, release, token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOME = Tenant("default", "production")
HOSTILE = 'a "quoted"\\path\nof two lines é\U0001f600'


def cell(flag: str, variant: str | None, **more: Any) -> Cell:
    return Cell(flag, variant, "SPLIT", "default", None, 1, override=False, key="shop", bulk=False)._replace(**more)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    made = SqliteStore(tmp_path / "state.sqlite", HOME)
    release(made, {"half": {"status": True, "rollout_percentage": 50}, "plain": {"status": True}})
    yield made
    made.close()


@pytest.fixture
def usage(tmp_path: Path) -> Iterator[UsageDatabase]:
    (tmp_path / ".burgee").mkdir()
    made = UsageDatabase(tmp_path / ".burgee/usage.sqlite")
    yield made
    made.close()


def app(store: SqliteStore, tmp_path: Path, *, keyed: bool = True) -> TestClient:
    where = StoreOptions(tmp_path / "flags.yaml", "production", tmp_path / "state.sqlite")
    setup = Setup(ring=KeyRing(store) if keyed else None, limits=None)
    return TestClient(create_app(store, Serving(store, refresh_seconds=0), setup, None, LocalUsage(where)))


def add(usage: UsageDatabase, counts: dict[Cell, int], lost: int = 0, scope: RecordScope | None = None) -> None:
    now = time.time()
    usage.write(usage_records(counts, Window(now - 60, now, lost), scope or RecordScope("default", "production")))


def read(text: str) -> dict[tuple[str, ...], float]:
    """Samples by name and labels, as Prometheus reads them."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_it_is_the_sum_of_all_processes_as_prometheus_reads_it(
    store: SqliteStore, usage: UsageDatabase, tmp_path: Path
) -> None:
    for _process in range(4):
        add(
            usage, {cell("half", "on"): 3, cell("half", "on", bulk=True, key=""): 4, cell("half", HOSTILE): 1}, lost=2
        )
    for name in ("gone", "other"):
        add(usage, {cell(name, None, reason="ERROR", error="FLAG_NOT_FOUND"): 5})
    add(usage, {cell("half", "on"): 99}, scope=RecordScope("default", "staging"))
    answer = app(store, tmp_path).get("/metrics", headers=bearer(token(store, Kind.ADMIN, Scope.METRICS)))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    found = read(answer.text)
    age = found.pop(("burgee_ruleset_age_seconds",))
    assert 0 <= age < 60
    assert found == {
        ("burgee_info", __version__): 1,
        ("burgee_release",): 1,
        ("burgee_flags",): 2,
        ("burgee_refresh_failing",): 0,
        ("burgee_evaluations_total", "half", "on", "split"): 28,
        ("burgee_evaluations_total", "half", HOSTILE, "split"): 4,
        ("burgee_evaluations_total", "", "", "flag_not_found"): 10,
        ("burgee_evaluations_lost_total",): 8,
    }
    kinds = {family.name: family.type for family in text_string_to_metric_families(answer.text)}
    assert kinds["burgee_evaluations"] == "counter"


def test_counters_never_become_less_when_old_days_are_deleted(
    store: SqliteStore, usage: UsageDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burgee.events.usage_database.KEEP_DAYS", 2)
    client, seen = app(store, tmp_path, keyed=False), 0.0
    for day in range(10):
        at = 1.7e9 + day * 86_400
        usage.write(usage_records({cell("half", "on"): 1}, Window(at - 60, at), RecordScope("default", "production")))
        now = read(client.get("/metrics").text)["burgee_evaluations_total", "half", "on", "split"]
        assert now == seen + 1
        seen = now


def test_only_its_scope_and_an_owner_may_read_it_and_it_opens_nothing_else(
    store: SqliteStore, tmp_path: Path
) -> None:
    client = app(store, tmp_path)
    assert client.get("/metrics").status_code == 401
    for kind, scopes in ((Kind.SERVER, ()), (Kind.CLIENT, ()), (Kind.ADMIN, (Scope.READ, Scope.WRITE))):
        assert client.get("/metrics", headers=bearer(token(store, kind, *scopes))).status_code == 403
    owner = token(store, Kind.ADMIN, Scope.READ, Scope.WRITE, Scope.RELEASE)
    assert client.get("/metrics", headers=bearer(owner)).status_code == 200
    scraper = bearer(token(store, Kind.ADMIN, Scope.METRICS))
    for path in ("/flags", "/users/ada/flags", "/ruleset", "/usage", "/audit"):
        assert client.get(path, headers=scraper).status_code == 403
    elsewhere = token(store.at(Tenant("default", "staging")), Kind.ADMIN, Scope.METRICS)
    assert client.get("/metrics", headers=bearer(elsewhere)).status_code == 404
    assert app(store, tmp_path, keyed=False).get("/metrics").status_code == 200


def test_before_anything_is_recorded_there_are_no_evaluations(store: SqliteStore, tmp_path: Path) -> None:
    found = read(app(store, tmp_path, keyed=False).get("/metrics").text)
    assert not [name for name in found if name[0] == "burgee_evaluations_total"]
    assert found["burgee_evaluations_lost_total",] == 0
