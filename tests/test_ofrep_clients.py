"""Stock OpenFeature clients, none of them ours, against the real server over loopback."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from burgee.compile import compile_file
from burgee.serving import Serving
from burgee.web.evaluation import evaluation_app

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = Path(__file__).parent / "clients"
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


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("flags") / "flags.yaml"
    path.write_text(FILE, encoding="utf-8")
    app = evaluation_app(Serving(bundled=compile_file(path)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off", ws="none"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def python_client(url: str) -> Any:
    api.set_provider_and_wait(OFREPProvider(url), "burgee")
    return api.get_client("burgee")


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
        ("flag", EvaluationContext("ada", {"deep": {"b": {"c": {"d": {"e": 1}}}}}), ErrorCode.INVALID_CONTEXT),
    ],
)
def test_the_python_client_gets_every_error(python_client: Any, key: str, context: Any, code: ErrorCode) -> None:
    details = python_client.get_boolean_details(key, False, context)
    assert (details.value, details.error_code) == (False, code)
    assert details.error_message


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


def told(node: Path, script: str, url: str) -> Any:
    ran = subprocess.run(["node", script, url], cwd=node, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_web_client(node: Path, url: str) -> None:
    seen = told(node, "web.mjs", url)
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
    assert 304 in seen["statuses"], "an unchanged poll is answered without a body"


def test_the_server_client(node: Path, url: str) -> None:
    seen = told(node, "server.mjs", url)
    assert seen["flag"] == {"value": True, "variant": "on", "reason": "STATIC", "errorCode": None}
    assert [seen[key]["value"] for key in ("text", "whole", "real", "object")] == ["hello", 5, 5, {"a": [1, 2]}]
    assert seen["nope"]["errorCode"] == "FLAG_NOT_FOUND"
    assert seen["mismatch"]["errorCode"] == "TYPE_MISMATCH"
    assert seen["half_without_user"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert (seen["free"]["value"], seen["pro"]["value"]) == ("a", "b")
