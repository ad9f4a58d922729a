"""Stock OpenFeature clients, none of them ours, against the real server over loopback."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.flagfile.compile import compile_file
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.evaluation_app import evaluation_app
from burgee.web.front import Setup
from support.gateway import Guard, behind_gateway
from support.http import served
from support.keys import release, token
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = Path(__file__).parents[1] / "clients"
FILE = """\
version: 1
flags:
  flag: {status: on, client: true}
  text: {status: on, variants: {v: hello}, default: {serve: v}}
  whole: {status: on, variants: {v: 5}, default: {serve: v}}
  real: {status: on, variants: {v: 5.0}, default: {serve: v}}
  object: {status: on, variants: {v: {a: [1, 2]}}, default: {serve: v}}
  nothing: {status: off, variants: {v: 1}, default: {serve: v}}
  half: {status: on, rollout_percentage: 50}
  ruled:
    status: on
    variants: {free: a, pro: b}
    rules: [{name: pros, when: {plan: pro}, serve: pro}]
    default: {serve: free}
"""


BROKEN = {"status": True, "rules": [{"when": {"segment": "nobody"}}]}
STAGE = "prod"


class Served(NamedTuple):
    """A server under test: its address, and who stands before it."""

    url: str
    guard: Guard


@pytest.fixture(scope="module", params=["service", "function behind a stage"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("flags") / "flags.yaml"
    path.write_text(FILE, encoding="utf-8")
    snapshot = compile_file(path)
    guard = Guard(evaluation_app(Serving(bundled={**snapshot, "flags": {**snapshot["flags"], "broken": BROKEN}})))
    if request.param == "service":
        with served(guard) as url:
            yield Served(url, guard)
    else:
        with behind_gateway(guard, STAGE) as function, served(function) as url:
            yield Served(f"{url}/{STAGE}", guard)


def client_of(server: Served, key: str | None = None) -> Any:
    domain = f"{server.url} {key}"
    headers = None if key is None else lambda: {"X-API-Key": key}
    api.set_provider_and_wait(OFREPProvider(server.url, headers_factory=headers), domain)
    return api.get_client(domain)


@pytest.fixture(scope="module")
def python_client(server: Served) -> Any:
    return client_of(server)


ADA = EvaluationContext("ada", {"plan": "pro"})


@pytest.mark.parametrize(
    ("method", "key", "default", "value"),
    [
        ("get_boolean_details", "flag", False, True),
        ("get_string_details", "text", "", "hello"),
        ("get_integer_details", "whole", 0, 5),
        ("get_float_details", "real", 0.0, 5.0),
        ("get_object_details", "object", {}, {"a": [1, 2]}),
        ("get_string_details", "ruled", "", "b"),
    ],
)
def test_the_python_client_gets_every_type(
    python_client: Any, method: str, key: str, default: Any, value: Any
) -> None:
    details = getattr(python_client, method)(key, default, ADA)
    assert (details.value, details.error_code) == (value, None)
    assert type(details.value) is type(value)
    assert details.variant
    assert details.flag_metadata["version"] == 0


def test_the_python_client_uses_its_default_where_there_is_no_value(python_client: Any) -> None:
    details = python_client.get_integer_details("nothing", 42, ADA)
    assert (details.value, details.reason, details.error_code) == (42, "DISABLED", None)


@pytest.mark.parametrize(
    ("key", "context", "code"),
    [
        ("nope", ADA, ErrorCode.FLAG_NOT_FOUND),
        ("half", EvaluationContext(), ErrorCode.TARGETING_KEY_MISSING),
        ("text", ADA, ErrorCode.TYPE_MISMATCH),
        ("broken", ADA, ErrorCode.PARSE_ERROR),
        ("flag", EvaluationContext("ada", {"deep": {"b": {"c": {"d": {"e": 1}}}}}), ErrorCode.INVALID_CONTEXT),
    ],
)
def test_the_python_client_gets_every_error(python_client: Any, key: str, context: Any, code: ErrorCode) -> None:
    details = python_client.get_boolean_details(key, False, context)
    assert (details.value, details.error_code) == (False, code)
    assert details.error_message


@pytest.mark.parametrize("status", [401, 403])
def test_the_python_client_learns_that_its_key_is_refused(server: Served, status: int) -> None:
    details = client_of(server, f"{status}@1:python").get_boolean_details("flag", False, ADA)
    word = {401: "unauthorized", 403: "forbidden"}[status]
    assert (details.value, details.error_code, details.error_message) == (False, ErrorCode.GENERAL, word)


def test_the_python_client_asks_no_more_while_the_service_says_so(server: Served) -> None:
    key = "429@2+3600:python"
    client = client_of(server, key)
    values = [client.get_boolean_value("flag", False, ADA) for _ in range(4)]
    assert values == [True, False, False, False]
    assert server.guard.asked[key] == 2, "after the refusal it asked no more"


def test_the_python_client_asks_again_after_the_pause(server: Served) -> None:
    client = client_of(server, "429@2:python")
    assert [client.get_boolean_value("flag", False, ADA) for _ in range(2)] == [True, False]
    eventually(lambda: client.get_boolean_value("flag", False, ADA))


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the npm clients, at the versions of tests/clients/package.json."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no Node here; CI has it")
    folder = tmp_path_factory.mktemp("node")
    for path in CLIENTS.iterdir():
        shutil.copy(path, folder)
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
    installed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if installed.returncode != 0:
        pytest.skip(f"npm cannot install the clients: {installed.stderr[:200]}")
    return folder


def reported(node: Path, script: str, url: str) -> Any:
    ran = subprocess.run(["node", script, url], cwd=node, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_web_client(node: Path, server: Served) -> None:
    seen = reported(node, "web.mjs", server.url)
    assert seen["flag"] == {"value": True, "variant": "on", "reason": "STATIC", "errorCode": None}
    assert seen["text"]["value"] == "hello"
    assert seen["whole"]["value"] == 5
    assert seen["real"]["value"] == 5
    assert seen["object"]["value"] == {"a": [1, 2]}
    assert seen["nothing"]["value"] == 42
    assert seen["nope"]["errorCode"] == "FLAG_NOT_FOUND"
    assert seen["mismatch"]["errorCode"] == "TYPE_MISMATCH"
    assert (seen["free"]["value"], seen["pro"]["value"]) == ("a", "b")
    assert seen["half_without_user"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert seen["broken"]["errorCode"] == "PARSE_ERROR"
    assert seen["polled"] == [200, 304, 304], "an unchanged poll is answered without a body"
    assert seen["statuses"] == [200, 304, 200, 200], (
        "so is an unchanged context, and a changed one is answered again, though the client shows its old tag"
    )
    assert "status: 400" in seen["too_deep"]["error"], "this client reports no code where a whole answer failed"
    assert seen["too_deep"]["kept"] == "b"
    assert (seen["401"], seen["403"]) == ("FATAL", "FATAL")
    assert seen["429@2+3600"] == {"stale": True, "kept": True, "statuses": [200, 429]}, "it asked no more"
    assert seen["429@2"] == {"stale": True, "kept": True, "statuses": [200, 429, 304]}, "and after the pause it did"


def test_a_kill_reaches_a_page_of_the_web_client_by_the_options_that_our_pages_give(node: Path) -> None:
    """With the client's own defaults an open page never gets it, and a returning visitor sees the previous answer."""
    store = SqliteStore(":memory:")
    release(store, {"flag": {"status": True, "client": True}})
    with served(create_app(store, Serving(store, refresh_seconds=0))) as url:
        seen = reported(node, "kill.mjs", url)
    store.close()
    assert seen["defaults"] == {
        "before": True,
        "open": True,
        "back": {"value": True, "reason": "CACHED"},
        "then": False,
    }
    advised = seen["advised"]
    assert (advised["before"], advised["open"], advised["then"]) == (True, False, False)
    assert (advised["back"]["value"], advised["back"]["reason"]) == (False, "DISABLED")


PAGE = (Path(__file__).parents[2] / "docs/openfeature.md").read_text(encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, dict[Kind, str]]]:
    """A service that asks for keys, and a key of each kind."""
    store = SqliteStore(tmp_path / "state.sqlite")
    flag = {"status": True, "client": True, "variants": {"g": "green"}, "default": {"serve": "g"}}
    release(store, {"checkout_button": flag})
    app = create_app(store, Serving(store, refresh_seconds=0), Setup(ring=KeyRing(store)))
    keys = {kind: token(store, kind) for kind in (Kind.SERVER, Kind.CLIENT)}
    with served(app) as url:
        yield url, keys
    store.close()


def snippet(language: str, holding: str) -> str:
    """The first example of the page in a language that holds a word."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return next(str(block) for block in blocks if holding in block)


@pytest.mark.parametrize("holding", ["OFREPProvider", "BurgeeProvider"])
def test_the_python_snippets_of_the_page_run(
    shop: tuple[str, dict[Kind, str]], holding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, keys = shop
    monkeypatch.setenv("BURGEE_KEY", keys[Kind.SERVER])
    names: dict[str, Any] = {}
    exec(snippet("python", holding).replace("http://127.0.0.1:8000", url), names)
    colour = names.get("colour") or names["client"].get_string_value("checkout_button", "blue", ADA)
    api.clear_providers()
    assert colour == "green"


@pytest.mark.parametrize(("holding", "kind"), [("OFREPWebProvider", Kind.CLIENT), ("process.env", Kind.SERVER)])
def test_the_typescript_snippets_of_the_page_run(
    node: Path, shop: tuple[str, dict[Kind, str]], holding: str, kind: Kind
) -> None:
    url, keys = shop
    script = snippet("ts", holding).replace("http://127.0.0.1:8000", url).replace("burgee_client_...", keys[kind])
    (node / "snippet.mjs").write_text(f"{script}\nconsole.log(colour);\nprocess.exit(0);\n", encoding="utf-8")
    environment = {**os.environ, "BURGEE_KEY": keys[kind]}
    ran = subprocess.run(
        ["node", "snippet.mjs"], cwd=node, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stdout) == (0, "green\n"), ran.stderr


def test_every_snippet_passes_a_key_and_the_web_client_receives_a_kill() -> None:
    for language in ("python", "ts", "go", "java", "csharp"):
        assert "Bearer" in snippet(language, "rovider")
    web = snippet("ts", "OFREPWebProvider")
    assert "pollInterval: 30_000" in web
    assert "cacheMode: 'network-first'" in web


def test_the_server_client(node: Path, server: Served) -> None:
    seen = reported(node, "server.mjs", server.url)
    assert seen["flag"] == {"value": True, "variant": "on", "reason": "STATIC", "errorCode": None}
    assert [seen[key]["value"] for key in ("text", "whole", "real", "object")] == ["hello", 5, 5, {"a": [1, 2]}]
    assert seen["nope"]["errorCode"] == "FLAG_NOT_FOUND"
    assert seen["mismatch"]["errorCode"] == "TYPE_MISMATCH"
    assert seen["half_without_user"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert (seen["free"]["value"], seen["pro"]["value"]) == ("a", "b")
    assert seen["broken"]["errorCode"] == "PARSE_ERROR"
    assert seen["too_deep"]["errorCode"] == "INVALID_CONTEXT"
    assert (seen["401"]["errorCode"], seen["403"]["errorCode"]) == ("GENERAL", "GENERAL")
    assert seen["limited"] == [True, False, False, True]
    assert server.guard.asked["429@2:server"] == 3, "while it waited it asked nothing"
