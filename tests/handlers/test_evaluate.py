"""The evaluation Lambda under AWS's runtime interface client, asked with API Gateway's events."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from burgee.flagfile.compile import compile_file
from burgee.serving.bundle import Bundle, dump_bundle
from burgee.stores import Origin
from support.lambda_runtime import FUNCTIONS, Function, emulator, event, function

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.sam,
    pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64"),
]
LOGGING = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "INFO"}
EXAMPLE = FUNCTIONS.parent / "flags.yaml"


def package(folder: Path) -> Path:
    """The handler's folder as `sam build` lays it out, without the dependencies, which are installed here."""
    code = folder / "package"
    shutil.copytree(FUNCTIONS, code, ignore=shutil.ignore_patterns("__pycache__", "release.json"))
    return code


@pytest.fixture(scope="module")
def evaluate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Function]:
    folder = tmp_path_factory.mktemp("lambda")
    code = package(folder)
    (code / "release.json").write_bytes(dump_bundle(Bundle(compile_file(EXAMPLE), Origin("abc123"))))
    with function("burgee.handlers.evaluate.handler", code, folder / "log", LOGGING) as running:
        yield running


def body(answer: dict[str, Any]) -> Any:
    assert not answer.get("isBase64Encoded")
    assert answer["headers"]["content-type"].startswith(("application/json", "application/problem+json"))
    return json.loads(answer["body"])


@pytest.mark.parametrize("name", ["http-api-user-flag", "rest-api-user-flag", "http-api-stage-user-flag"])
def test_a_named_user_gets_the_variant_of_the_bundled_release(evaluate: Function, name: str) -> None:
    answer = evaluate(event(name))
    assert answer["statusCode"] == 200
    reported = body(answer)
    assert (reported["flag_name"], reported["variant"], reported["value"], reported["reason"]) == (
        "checkout_button",
        "green",
        "#0a0",
        "TARGETING_MATCH",
    )


@pytest.mark.parametrize("name", ["http-api-user-flags", "rest-api-user-flags"])
def test_all_flags_of_a_user(evaluate: Function, name: str) -> None:
    reported = body(evaluate(event(name)))
    assert reported["user_id"] == "user-1"
    assert {flag["flag_name"] for flag in reported["flags"]} == {"dark_mode", "beta_search", "checkout_button"}


@pytest.mark.parametrize("name", ["http-api-health", "rest-api-health"])
def test_health_shows_that_the_release_is_the_bundled_one(evaluate: Function, name: str) -> None:
    reported = body(evaluate(event(name)))
    assert (reported["status"], reported["source"]) == ("healthy", "bundled")


def test_openfeature_clients_are_answered(evaluate: Function) -> None:
    reported = body(evaluate(event("ofrep-flag")))
    assert (reported["key"], reported["variant"], reported["value"]) == ("checkout_button", "green", "#0a0")
    flags = body(evaluate(event("ofrep-bulk")))["flags"]
    assert [flag["key"] for flag in flags] == ["dark_mode", "beta_search", "checkout_button"]


def test_an_unknown_flag_is_404_with_detail(evaluate: Function) -> None:
    answer = evaluate(event("http-api-unknown-flag"))
    assert answer["statusCode"] == 404
    assert body(answer)["detail"] == "Feature flag 'nope' not found"


def test_without_a_release_it_serves_no_flags_and_says_so(tmp_path: Path) -> None:
    with function("burgee.handlers.evaluate.handler", package(tmp_path), tmp_path / "log", {}) as running:
        assert body(running(event("http-api-health")))["source"] == "none"
        assert body(running(event("http-api-user-flags")))["flags"] == []


def test_nothing_personal_is_logged(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with function("burgee.handlers.evaluate.handler", package(tmp_path), log, LOGGING) as running:
        running(event("http-api-user-flags"))
    reported = log.read_text(encoding="utf-8")
    assert "REPORT RequestId" in reported
    assert "user-1" not in reported
