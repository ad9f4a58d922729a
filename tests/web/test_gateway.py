"""Events of API Gateway and function URLs: the caller that they vouch for, and the path that the client asked for."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote

import pytest

from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.evaluation_app import evaluation_app
from burgee.web.front import Setup
from burgee.web.gateway import gateway, parse_base_paths, vouching
from support.asgi import ask
from support.keys import HOME, release
from support.lambda_runtime import event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

ARN = "arn:aws:iam::123456789012:user/ada"


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:", HOME)
    release(store, {"beta": {"status": True}})
    yield store
    store.close()


def answered(app: ASGIApp, asked: Any, base_paths: tuple[str, ...] = ()) -> Any:
    """What a Lambda function answers to an event."""
    with asyncio.Runner() as runner:
        asyncio.set_event_loop(runner.get_loop())  # Lambda has one for good; here it must not outlive the test
        try:
            return gateway(app, base_paths)(asked, None)  # type: ignore[arg-type]  # nothing here reads it
        finally:
            asyncio.set_event_loop(None)


def call(store: SqliteStore, access: str, authorizer: Any, method: str = "GET", path: str = "/flags/beta") -> Any:
    asked = event("http-api-releases")
    asked["rawPath"] = asked["requestContext"]["http"]["path"] = path
    asked["requestContext"]["http"]["method"] = method
    asked["headers"] |= {"x-burgee-reason": "test", "authorization": "Bearer made-up"}
    if authorizer is not None:
        asked["requestContext"]["authorizer"] = authorizer
    app = create_app(store, Serving(store, refresh_seconds=0), Setup(vouched=vouching(access, HOME)))
    return answered(app, asked)


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


def http_api(target: str) -> Any:
    """An event of an HTTP API, which decodes the path."""
    made = event("http-api-user-flags")
    path, _, query = target.partition("?")
    made["rawPath"] = made["requestContext"]["http"]["path"] = unquote(path)
    made["rawQueryString"] = query
    return made


def http_api_with_version_1_payload(target: str) -> Any:
    """The same in the older payload."""
    made = rest_api(target)
    made |= {"version": "1.0", "path": unquote(target.partition("?")[0])}
    made["requestContext"]["stage"] = "$default"
    return made


def function_url(target: str) -> Any:
    """An event of a function URL, which has the same payload and leaves the path as it is."""
    made = http_api(target)
    made["rawPath"] = made["requestContext"]["http"]["path"] = target.partition("?")[0]
    made["requestContext"]["domainName"] = "abcdefgh.lambda-url.eu-west-1.on.aws"
    return made


def rest_api(target: str) -> Any:
    """An event of a REST API, which leaves the path as it is and takes the query apart."""
    made = event("rest-api-user-flags")
    path, _, query = target.partition("?")
    parameters = parse_qs(query)
    single = {name: values[-1] for name, values in parameters.items()}
    return made | {
        "path": path,
        "multiValueQueryStringParameters": parameters or None,
        "queryStringParameters": single or None,
    }


EVENTS = [http_api, http_api_with_version_1_payload, function_url, rest_api]
FLAGS: dict[str, Any] = {
    "half": {"status": True, "rollout_percentage": 50},
    "listed": {
        "status": True,
        "rules": [{"when": {"groups": {"contains": "beta"}}, "serve": "on"}],
        "default": {"serve": "off"},
    },
}
IDS = ["ada", "%41", "org/ada", "a%2Fb", "a b", "ü", "a+b", "%", "100%", "%2541", "?", "#", "a;b"]


@pytest.fixture
def app() -> ASGIApp:
    return evaluation_app(Serving(bundled={"format": 1, "flags": FLAGS}))


@pytest.mark.parametrize("made", EVENTS)
@pytest.mark.parametrize("user", IDS)
def test_an_id_is_decoded_once_behind_every_gateway(app: ASGIApp, made: Callable[[str], Any], user: str) -> None:
    """So that a user is in the same bucket there as at `burgee serve`."""
    target = f"/users/{quote(user, safe='')}/flags"
    reported = answered(app, made(target))
    assert (reported["statusCode"], json.loads(reported["body"])) == (200, ask(app, target).json())
    assert json.loads(reported["body"])["user_id"] == user


@pytest.mark.parametrize("made", EVENTS)
def test_a_repeated_parameter_is_a_list_behind_every_gateway(app: ASGIApp, made: Callable[[str], Any]) -> None:
    for query, value in {
        "groups=a&groups=beta": True,
        "groups=beta&groups=a": True,
        "groups=a&groups=b": False,
    }.items():
        reported = answered(app, made(f"/users/u/flags/listed?{query}"))
        assert json.loads(reported["body"])["value"] is value, query


@pytest.mark.parametrize("made", EVENTS)
@pytest.mark.parametrize("prefix", ["", "/flags", "/a/b"])
def test_a_base_path_is_taken_off_and_asking_without_it_works(
    app: ASGIApp, made: Callable[[str], Any], prefix: str
) -> None:
    for path in ("/health", "/users/u/flags/half", "/users/flags/flags"):
        reported = answered(app, made(prefix + path), ("/a/b", "/flags"))
        assert reported["statusCode"] == 200, (prefix, path)


def test_a_stage_and_a_base_path_are_taken_off_in_either_order_and_once(app: ASGIApp) -> None:
    for path, status in [
        ("/prod/users/u/flags/half", 200),
        ("/prod/flags/users/u/flags/half", 200),
        ("/flags/prod/users/u/flags/half", 200),
        ("/prod/prod/users/u/flags/half", 404),
        ("/flags/flags/users/u/flags/half", 404),
        ("/production/users/u/flags/half", 404),
        ("/prod", 404),
    ]:
        asked = http_api(path)
        asked["requestContext"]["stage"] = "prod"
        assert answered(app, asked, ("/flags",))["statusCode"] == status, path


def test_the_pages_about_the_api_know_their_base_path(store: SqliteStore) -> None:
    app = create_app(store, Serving(store))
    reported = answered(app, http_api("/flags/docs"), ("/flags",))
    assert "/flags/openapi.json" in reported["body"]
    moved = answered(app, http_api("/flags/users/u/flags/"), ("/flags",))
    assert (moved["statusCode"], moved["headers"]["location"]) == (307, "https://api.example.com/flags/users/u/flags")


def test_base_paths_are_named_with_or_without_slashes() -> None:
    assert parse_base_paths("") == ()
    assert parse_base_paths("flags, /a/b/ ,/") == ("/flags", "/a/b")
    for wrong in ("/a b", "/a%20b", "/a//b", "/flags?x"):
        with pytest.raises(ValueError, match="BURGEE_BASE_PATH"):
            parse_base_paths(wrong)
