"""OFREP's event streams: what a page receives, when, and how long its address works."""

from __future__ import annotations

import json
import socket
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.serving.serving import Serving
from burgee.stores import Shelf, Tenant
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time
from burgee.web import event_streams
from burgee.web.app import create_app
from burgee.web.event_streams import DAY, EventStreams, stream_secret
from burgee.web.front import Setup
from burgee.web.protection.rate_limits import Limits
from burgee.web.protection.token_buckets import Rate
from burgee.web.tenants import Tenants
from support.event_streams import FLAGS, kill
from support.http import served
from support.keys import HOME, OTHER, bearer, release, token
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

BULK = "/ofrep/v1/evaluate/flags"
USER = {"context": {"targetingKey": "ada"}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db", HOME)
    release(store, FLAGS)
    yield store
    store.close()


def app_of(store: SqliteStore, refresh: float = 0.0, **setup: Any) -> Any:
    serving = Serving(store, refresh_seconds=refresh)
    return create_app(store, serving, Setup(streams=stream_secret(store), **setup))


class Page:
    """An EventSource: its connection, and the lines that came."""

    def __init__(self, url: str, last: str | None = None) -> None:
        headers = {"Last-Event-ID": last} if last is not None else {}
        self.answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10)
        self.headers = self.answer.headers

    def lines(self) -> list[str]:
        """The next event's, or a comment's."""
        found: list[str] = []
        while line := self.answer.readline().decode().rstrip("\n"):
            found.append(line)
        return found

    def message(self) -> dict[str, Any]:
        """The next event, whatever comments come before it."""
        while True:
            fields = dict(line.split(": ", 1) for line in self.lines() if not line.startswith(":"))
            if "data" in fields:
                assert fields["id"] == json.loads(fields["data"])["etag"]
                return dict(json.loads(fields["data"]))

    def close(self) -> None:
        self.answer.close()


def asked(base: str, query: str = "", headers: dict[str, str] | None = None) -> tuple[int, Any, Any]:
    """A bulk evaluation: status, body, headers."""
    fields = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(base + BULK + query, json.dumps(USER).encode(), fields)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, None, error.headers


def address(base: str, body: Any) -> str:
    (stream,) = body["eventStreams"]
    assert stream["type"] == "sse"
    return base + str(stream["endpoint"]["requestUri"])


def test_a_page_is_notified_when_something_changes_and_not_before(store: SqliteStore) -> None:
    with served(app_of(store)) as base:
        _, body, _ = asked(base)
        page = Page(address(base, body))
        assert page.headers["content-type"] == "text/event-stream"
        assert page.headers["access-control-allow-origin"] == "*"
        assert page.headers["cache-control"] == "no-store"
        assert page.lines() == ["retry: 2000"], "a page that is up to date gets no message"
        kill(store)
        assert page.message() == {"type": "refetchEvaluation", "etag": "2"}
        _, body, _ = asked(base, "?flagConfigEtag=2")
        assert body["flags"][0]["value"] is False
        page.close()


def test_who_connects_again_learns_what_was_missed_and_no_more(store: SqliteStore) -> None:
    with served(app_of(store)) as base:
        _, body, _ = asked(base)
        url = address(base, body)
        kill(store)
        asked(base)
        for held, reported in ((None, True), ("1", True), ("x" * 100, True), ("2", False)):
            page = Page(url, held)
            assert page.lines() == ["retry: 2000"]
            if reported:
                assert page.message()["etag"] == "2"
            else:
                kill(store)
                assert page.message()["etag"] == "3"
            page.close()


def test_the_end_of_an_override_moves_something_too(store: SqliteStore) -> None:
    kill(store, until=format_time(time.time() + 2))
    with served(app_of(store)) as base:
        _, body, _ = asked(base)
        assert body["flags"][0]["value"] is False
        page = Page(address(base, body))
        assert page.lines() == ["retry: 2000"]
        assert page.message()["etag"] == "2.1"
        _, body, _ = asked(base)
        assert body["flags"][0]["value"] is True
        page.close()


def test_a_silent_stream_beats(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_streams, "HEARTBEAT_SECONDS", 0.1)
    with served(app_of(store)) as base:
        page = Page(address(base, asked(base)[1]))
        assert [page.lines() for _ in range(4)] == [["retry: 2000"], [":"], [":"], [":"]]
        page.close()


def test_a_stream_is_ended_after_its_time_and_its_page_connects_again(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(store)
    with served(app) as base:
        _, body, _ = asked(base)
        monkeypatch.setattr(event_streams, "OPEN_SECONDS", 0.0)
        pages = [Page(address(base, body)) for _ in range(5)]
        for page in pages:
            assert page.lines() == [f"retry: {event_streams.RETRY_MILLISECONDS}"]
            assert page.answer.read() == b"", "a whole answer, not one that was cut off"
        monkeypatch.setattr(event_streams, "OPEN_SECONDS", 100.0)
        again = Page(address(base, body))
        kill(store)
        assert again.message()["etag"] == "2"
        eventually(lambda: app.front.streams.count == 1)
        again.close()


def test_an_evaluator_that_is_behind_a_page_reads_before_it_answers(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = app_of(store, refresh=1_000.0)
    client = TestClient(app)
    serving = app.front.tenants.serving(HOME)
    reads = []
    refresh = serving.refresh
    monkeypatch.setattr(serving, "refresh", lambda: reads.append(refresh()))
    first = client.post(BULK, json=USER)
    kill(store)
    held = {"If-None-Match": first.headers["etag"]}
    assert client.post(BULK, json=USER, headers=held).status_code == 304, "it does not know yet"
    again = client.post(f"{BULK}?flagConfigEtag=2", json=USER, headers=held)
    assert (again.status_code, again.json()["flags"][0]["value"]) == (200, False)
    assert len(reads) == 1
    for reported in ("9", "9.1", "9", "x", "", "-1", "9" * 100):
        client.post(f"{BULK}?flagConfigEtag={reported}", json=USER)
    assert len(reads) == 2, "one that finds nothing is the last for a second, whatever pages say"


def test_a_new_day_is_a_new_address_and_no_304(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an expired address and a 304 the stock client would go round once a second."""
    client = TestClient(app_of(store))
    now = (time.time() // DAY) * DAY + 100
    monkeypatch.setattr(time, "time", lambda: now)
    first = client.post(BULK, json=USER)
    held = {"If-None-Match": first.headers["etag"]}
    assert client.post(BULK, json=USER, headers=held).status_code == 304
    monkeypatch.setattr(time, "time", lambda: now + DAY)
    again = client.post(BULK, json=USER, headers=held)
    assert again.status_code == 200
    assert address("", again.json()) != address("", first.json())


def test_a_token_is_one_for_a_tenant_and_a_day_and_works_for_two(store: SqliteStore) -> None:
    streams = EventStreams(Tenants(Serving(store), store), stream_secret(store))
    now = 20_000.0 * DAY
    made = streams.token(HOME, now)
    assert made == streams.token(HOME, now + DAY - 1) != streams.token(HOME, now + DAY)
    assert EventStreams(Tenants(Serving(store), store), stream_secret(store)).token(HOME, now) == made
    for later, works in ((0, True), (DAY, True), (2 * DAY - 1, True), (2 * DAY, False), (-1, False)):
        assert (streams.tenant_of(made, now + later) == HOME) is works
    odd = Tenant("a.b", "c-d")
    assert streams.tenant_of(streams.token(odd, now), now) == odd
    for forged in (
        "",
        "/",
        made[:-1],
        made + "0",
        made.replace("shop", "blog"),
        made.replace("/20000/", "/20001/"),
        made.replace("/20000/", "/02/"),
        "é" * 40,
        "a/b/²/c",
        "\ud800/b/1/c",
        "/".join("abcd") * 200,
    ):
        assert streams.tenant_of(forged, now) is None, forged
    other = EventStreams(Tenants(Serving(store), store), b"x" * 32)
    assert other.tenant_of(made, now) is None


def test_a_token_reads_nothing_and_without_one_nothing_is_open(store: SqliteStore) -> None:
    client = TestClient(app_of(store, ring=KeyRing(store)))
    browser = bearer(token(store, Kind.CLIENT))
    answer = client.post(BULK, json=USER, headers=browser).json()
    secret = answer["eventStreams"][0]["endpoint"]["requestUri"].partition("token=")[2].partition("&")[0]
    for headers in ({"Authorization": f"Bearer {secret}"}, {"X-API-Key": secret}):
        assert client.post(BULK, json=USER, headers=headers).status_code == 401
    for query in ("", "?token=", f"?token={secret[:-1]}", "?token=" + "x" * 5_000):
        refused = client.get(f"/event-stream{query}", headers=browser)
        assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    assert client.post("/event-stream", headers=browser).status_code in {403, 405}
    assert "secret" in (store.find(Shelf.SETTINGS, "streams") or {})


def test_a_tenant_learns_only_of_its_own(store: SqliteStore) -> None:
    theirs = store.at(OTHER)
    release(theirs, FLAGS)
    mine, other = bearer(token(store, Kind.CLIENT)), bearer(token(theirs, Kind.CLIENT))
    with served(app_of(store, ring=KeyRing(store))) as base:
        pages = [Page(address(base, asked(base, headers=headers)[1])) for headers in (mine, other)]
        assert [page.lines() for page in pages] == [["retry: 2000"]] * 2
        kill(theirs)
        assert pages[1].message()["etag"] == "2"
        release(store, {"beta": {"status": False}})
        assert pages[0].message()["etag"] == "2"
        for page in pages:
            page.close()


def test_pages_are_notified_at_a_third_of_the_rate_of_evaluations(store: SqliteStore) -> None:
    limits = Limits(evaluate=Rate("evaluate", 30, 1_000))
    with served(app_of(store, limits=limits)) as base:
        url = address(base, asked(base)[1])
        pages = [Page(url) for _ in range(30)]
        for page in pages:
            page.lines()
        began = time.monotonic()
        kill(store)
        for page in pages:
            page.message()
            page.close()
        assert time.monotonic() - began > 1.5, "30 pages at 10 in a second, after a first burst of 10"


def test_a_page_that_reads_nothing_holds_up_no_other(store: SqliteStore) -> None:
    with served(app_of(store)) as base:
        url = address(base, asked(base)[1])
        host, port = base.removeprefix("http://").split(":")
        deaf = socket.create_connection((host, int(port)))
        deaf.sendall(f"GET {url.removeprefix(base)} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        page = Page(url)
        page.lines()
        for number in range(2, 5):
            kill(store)
            assert page.message()["etag"] == str(number)
        deaf.close()
        page.close()


def test_two_processes_on_one_store_sign_alike(store: SqliteStore, tmp_path: Path) -> None:
    second = SqliteStore(tmp_path / "db", HOME)
    assert stream_secret(second) == stream_secret(store)
    with served(app_of(store)) as one, served(app_of(second)) as other:
        url = address(one, asked(one)[1])
        page = Page(url.replace(one, other))
        assert page.lines() == ["retry: 2000"]
        kill(store)
        assert page.message()["etag"] == "2"
        page.close()
    second.close()


def test_what_is_too_many_is_refused_and_who_goes_is_forgotten(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_streams, "MAX_STREAMS", 2)
    app = app_of(store)
    with served(app) as base:
        url = address(base, asked(base)[1])
        pages = [Page(url) for _ in range(2)]
        with pytest.raises(urllib.error.HTTPError) as refused:
            Page(url)
        assert (refused.value.code, refused.value.headers["retry-after"]) == (503, "30")
        refused.value.close()
        for page in pages:
            page.close()
        eventually(lambda: not app.front.streams.count)
        Page(url).close()
