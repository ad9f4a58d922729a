"""The ruleset over HTTP: what a service writes, another process reads, and answers alike."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from starlette.responses import Response
from starlette.testclient import TestClient

from burgee.errors import Corrupt, Denied, StoreUnavailable
from burgee.releases.deploy import CanaryRequest, Consent, apply
from burgee.serving.http_source import HttpSource, read
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from support.http import served

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

FLAGS: dict[str, Any] = {
    "half": {"status": True, "rollout_percentage": 50, "owner": "team"},
    "real": {"status": True, "variants": {"v": 5.0}, "default": {"serve": "v"}},
    "staff": {"status": True, "rules": [{"when": {"segment": "staff"}}], "holdout": "q4"},
}
SNAPSHOT = {
    "format": 1,
    "environment": None,
    "flags": FLAGS,
    "segments": {"staff": {"email": {"ends_with": "@x.com"}}},
    "holdouts": {"q4": {"percentage": 5}},
}
CONTEXTS = [{"targetingKey": f"user-{number}", "email": "a@x.com"} for number in range(50)] + [{}]


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    apply(store, SNAPSHOT, Origin(commit="abc123"), AuditContext("release.activate", "ci", "", 1_795_000_000.0))
    yield store
    store.close()


@pytest.fixture
def serving(store: SqliteStore) -> Serving:
    return Serving(store, refresh_seconds=0)


@pytest.fixture
def client(store: SqliteStore, serving: Serving) -> TestClient:
    return TestClient(create_app(store, serving))


def test_who_reads_the_ruleset_answers_as_the_service(client: TestClient, serving: Serving) -> None:
    client.put("/flags/real", json={"variants": {"v": 7.0, "w": 1}, "rollout_percentage": 20, "off_variant": "w"})
    reported = read(client.get("/ruleset").content)
    assert (reported.version, reported.source) == (1, "store")
    for context in CONTEXTS:
        assert reported.ruleset.evaluate_all(context, 0) == serving.ruleset().evaluate_all(context, 0)


def test_a_release_on_trial_reaches_the_same_users(store: SqliteStore, client: TestClient, serving: Serving) -> None:
    changed = {**SNAPSHOT, "flags": {**FLAGS, "half": {"status": True}}}
    now = time.time()
    apply(
        store,
        changed,
        Origin(),
        AuditContext("release.activate", "ci", "", now),
        Consent(canary=CanaryRequest(50, 900)),
    )
    reported = read(client.get("/ruleset").content)
    versions = set()
    for context in CONTEXTS:
        for moment in (now, now + 1000):
            ours, theirs = reported.choose(context, moment), serving.ruleset(context, moment)
            assert ours.evaluate_all(context, moment) == theirs.evaluate_all(context, moment)
            versions.add(ours.evaluate("real", context, moment).metadata["version"])
    assert versions == {1, 2}


def test_the_tag_holds_until_something_changes(client: TestClient) -> None:
    first = client.get("/ruleset")
    etag = first.headers["etag"]
    assert client.get("/ruleset", headers={"If-None-Match": f'"x", W/{etag}'}).status_code == 304
    client.put("/flags/half", json={"status": False})
    changed = client.get("/ruleset", headers={"If-None-Match": etag})
    assert (changed.status_code, changed.headers["etag"] == etag) == (200, False)


def test_a_source_over_http_is_followed(store: SqliteStore, serving: Serving) -> None:
    app, statuses = create_app(store, serving), list[int]()

    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            await send(message)

        await app(scope, receive, tell)

    with served(recorded) as url:
        follower = Serving(source=HttpSource(url + "/"), refresh_seconds=0)
        assert follower.ruleset().evaluate("half", {"targetingKey": "ada"}, 0).metadata["commit"] == "abc123"
        first = follower.ruleset()
        assert follower.ruleset() is first
        TestClient(app).put("/flags/half", json={"status": False})
        assert follower.ruleset().evaluate("half", {"targetingKey": "ada"}, 0).reason == "DISABLED"
        assert statuses == [200, 304, 304, 200]
    kept = follower.ruleset()
    assert kept.evaluate("half", {}, 0).reason == "DISABLED"
    assert isinstance(follower.failure(), StoreUnavailable)
    assert follower.status().version == 1


def answering(status: int, content: bytes = b"{}") -> ASGIApp:
    return Response(content, status)


@pytest.mark.parametrize(
    ("status", "content", "failure"),
    [
        (401, b"", Denied),
        (403, b"", Denied),
        (404, b"", StoreUnavailable),
        (503, b"", StoreUnavailable),
        (200, b"<html>", Corrupt),
        (200, b"[]", Corrupt),
        (200, json.dumps({"version": 1, "source": "store", "release": {}, "snapshot": {}}).encode(), Corrupt),
    ],
)
def test_what_cannot_be_read_is_reported_and_nothing_is_lost(status: int, content: bytes, failure: type) -> None:
    with served(answering(status, content)) as url:
        follower = Serving(source=HttpSource(url), bundled=SNAPSHOT)
        assert follower.ruleset().evaluate("real", {}, 0).value == 5.0
        assert type(follower.failure()) is failure
        assert follower.status().source == "bundled"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "flags.example.com", "ftp://x"])
def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(ValueError, match="not the http or https address"):
        HttpSource(url)
