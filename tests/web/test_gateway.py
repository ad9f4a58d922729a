"""Whom the management function believes: API Gateway's own words in the event, never a header."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from burgee.web.gateway import gateway, vouching
from support.keys import HOME, release
from support.lambda_runtime import event

if TYPE_CHECKING:
    from collections.abc import Iterator

ARN = "arn:aws:iam::123456789012:user/ada"


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:", HOME)
    release(store, {"beta": {"status": True}})
    yield store
    store.close()


def call(store: SqliteStore, access: str, authorizer: Any, method: str = "GET", path: str = "/flags/beta") -> Any:
    asked = event("http-api-releases")
    asked["rawPath"] = asked["requestContext"]["http"]["path"] = path
    asked["requestContext"]["http"]["method"] = method
    asked["headers"] |= {"x-burgee-reason": "test", "authorization": "Bearer made-up"}
    if authorizer is not None:
        asked["requestContext"]["authorizer"] = authorizer
    app = create_app(store, Serving(store, refresh_seconds=0), Setup(vouched=vouching(access, HOME)))
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())  # Lambda has one for good; here it must not outlive the test
        try:
            return gateway(app)(asked, None)  # type: ignore[arg-type]  # nothing here reads it
        finally:
            asyncio.set_event_loop(None)


def test_an_aws_principal_may_do_everything_and_is_named_in_the_log(store: SqliteStore) -> None:
    assert call(store, "iam", {"iam": {"userArn": ARN}}, "DELETE")["statusCode"] == 204
    entry = store.audit()[0]
    assert (entry.actor, entry.source) == (ARN, "192.0.2.1")
    assert entry.request_id


@pytest.mark.parametrize(
    ("scope", "reads", "writes"),
    [("burgee:read", 200, 403), ("openid burgee:write", 403, 204), ("", 403, 403), ("read write admin", 403, 403)],
)
def test_a_jwt_may_do_what_its_scope_says(store: SqliteStore, scope: str, reads: int, writes: int) -> None:
    claims = {"jwt": {"claims": {"sub": "ada", "scope": scope}}}
    assert call(store, "jwt", claims)["statusCode"] == reads
    assert call(store, "jwt", claims, "DELETE")["statusCode"] == writes


@pytest.mark.parametrize("access", ["iam", "jwt"])
@pytest.mark.parametrize("authorizer", [None, {}, {"iam": {}}, {"jwt": {"claims": {}}}, {"lambda": {"sub": "ada"}}])
def test_without_its_word_nobody_is_anybody(store: SqliteStore, access: str, authorizer: Any) -> None:
    assert call(store, access, authorizer)["statusCode"] == 401


def test_one_way_of_vouching_is_not_the_other(store: SqliteStore) -> None:
    assert call(store, "jwt", {"iam": {"userArn": ARN}})["statusCode"] == 401
    assert call(store, "iam", {"jwt": {"claims": {"sub": "ada", "scope": "burgee:read"}}})["statusCode"] == 401
