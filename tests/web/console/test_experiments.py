from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from burgee.cli.recording import LocalReports
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.experiments import FILE, crowd, written
from support.keys import shop
from support.markup import text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    (tmp_path / "flags.yaml").write_text(FILE, encoding="utf-8")
    store = SqliteStore(":memory:")
    reports = LocalReports(tmp_path / "flags.yaml", "p", "e")
    yield TestClient(create_app(store, Serving(store), Setup(), reports))
    store.close()


def test_an_experiment_without_records_waits(client: TestClient) -> None:
    index = text_of(client.get("/fragments/experiments").text)
    assert "button" in index
    assert "Not decided yet: there are no records." in index
    assert "no data yet" in index
    assert "✓" not in index
    page = text_of(client.get("/fragments/experiments/button").text)
    assert "No result yet." in page
    assert client.get("/fragments/experiments/nope").status_code == 404


def test_an_experiment_that_begins_later_is_no_fault(client: TestClient, tmp_path: Path) -> None:
    later = FILE.replace("start: 2026-01-01", "start: 2099-01-01").replace("end: 2026-01-29", "end: 2099-01-29")
    (tmp_path / "flags.yaml").write_text(later, encoding="utf-8")
    track = {"type": "track", "event_id": "e", "unit": "ada", "event": "order", "time": 1_767_225_600}
    written(tmp_path / ".burgee/events", [track])
    for path in ("/fragments/experiments", "/fragments/experiments/button"):
        page = text_of(client.get(path).text)
        assert "Not decided yet: it begins on 2099-01-01." in page
        assert "✕" not in page


def test_what_the_route_reports_is_shown_and_no_more(client: TestClient, tmp_path: Path) -> None:
    written(tmp_path / ".burgee/events", crowd(300))
    report = client.get("/experiments/button").json()
    page = text_of(client.get("/fragments/experiments/button").text)
    assert report["verdict"]["sentence"] in page
    for arm in report["arms"]:
        assert f"{arm['units']:,}" in page
    for check in report["health"]:
        assert check["check"] in page
    visible = [one for one in report["results"] if one["difference"] is not None]
    assert visible
    raw = client.get("/fragments/experiments/button").text
    assert raw.count('<svg class="plot"') >= 1, "a plot of the effects"
    for one in visible:
        assert f"<td>{one['metric']}</td><td>{one['arm']}</td>" in raw
        assert f"{one['difference']:+.4g}" in page
    assert "<style" not in raw
    assert " style=" not in raw
    index = text_of(client.get("/fragments/experiments").text)
    assert report["verdict"]["sentence"] in index


def test_nothing_that_records_hold_is_markup(client: TestClient, tmp_path: Path) -> None:
    bad = "<img src=x onerror=alert(1)>'\"&"
    records = crowd(600, lift=0.5)
    for one in records:
        if one["type"] == "exposure" and one["properties"]["country"] == "DE":
            one["properties"]["country"] = bad
    text = FILE.replace("A green button is found sooner", "'<b onclick=x>'").replace(
        "sample_size: 4000", "sample_size: 600"
    )
    (tmp_path / "flags.yaml").write_text(text, encoding="utf-8")
    written(tmp_path / ".burgee/events", records)
    raw = client.get("/fragments/experiments/button").text
    assert "&lt;img src=x" in raw
    assert "<img" not in raw
    assert "<b onclick" not in raw


def test_a_service_without_reports_has_no_such_screen() -> None:
    for store in shop({"beta": {"status": True}}):
        client = TestClient(create_app(store, Serving(store, refresh_seconds=0), Setup()))
        assert client.get("/fragments/experiments").status_code == 404
        assert "/console/experiments" not in client.get("/fragments/frame").text


def test_a_service_with_reports_has_it(client: TestClient) -> None:
    assert "/console/experiments" in client.get("/fragments/frame").text
