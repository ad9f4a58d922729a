"""Imports point one way, and what a Lambda evaluates with imports nothing heavy."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[1] / "functions"
PACKAGE = FUNCTIONS / "burgee"

# Layers from the bottom up; a module imports only from its own line or lines above it. A new module goes where a
# flag passes it on its way from the file to the answer.
LAYERS = [
    ["errors", "model", "version"],
    ["times", "bucketing", "semver", "findings"],
    ["events"],
    ["sinks"],
    ["sinks.jsonl", "sinks.firehose", "sinks.http"],
    ["hashing"],
    ["conditions"],
    ["chain", "fusing"],
    ["engine"],
    ["ruleset", "snapshots"],
    ["recorder"],
    ["parts"],
    ["experiments"],
    ["yamlevents", "grammar"],
    ["flagfile"],
    ["experiment_check"],
    ["check"],
    ["compile"],
    ["flagtests", "witnesses"],
    ["regions", "reach"],
    ["decide"],
    ["explore", "moments", "lines"],
    ["effect", "layouts"],
    ["report"],
    ["told", "stale"],
    ["timeline", "hygiene", "population"],
    ["proofs"],
    ["edit", "migrate", "looks", "refs"],
    ["formatting", "simulate", "coming"],
    ["migrate.jsonlogic", "migrate.writing", "migrate.goff_shape", "migrate.reading"],
    ["migrate.flagd", "migrate.goff_query"],
    ["migrate.goff"],
    ["stores"],
    ["stores.items"],
    ["stores.transactions"],
    ["bundle", "stores.sqlite", "stores.dynamodb", "stores.wire"],
    ["plan"],
    ["serving", "overrides", "audit"],
    ["remote", "local"],
    ["keys", "settings"],
    ["keyring"],
    ["deploy"],
    ["loader"],
    ["openfeature"],
    ["web.problems", "web.tenants"],
    ["web.buckets"],
    ["web.exchange"],
    ["web.access"],
    ["web.observe", "web.cors", "web.body", "web.limits", "web.idempotency"],
    ["web.telemetry"],
    ["web.gateway", "web.events"],
    ["web.recording"],
    ["web.ofrep", "web.rules"],
    ["web.front"],
    ["web.evaluation"],
    ["web.describe", "web.resources"],
    ["web.writes"],
    ["web.management", "web.operations", "web.keeping"],
    ["web.app"],
    ["analysis"],  # so that nothing but the command line can import it
    ["cli"],
]
AWS = {"stores.dynamodb", "sinks.firehose"}
ALONE = {"yaml": {"yamlevents"}, "boto3": AWS, "botocore": AWS}
HEAVY = {"pydantic", "fastapi", "yaml", "typer", "rich", "boto3", "botocore", "sqlite3", "uvicorn", "ruamel"}
HEAVY |= {"numpy", "scipy", "pandas", "pyarrow", "duckdb", "ibis", "tea_tasting"}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix("__init__").removesuffix(".")] = path
    return found


def imports(path: Path) -> set[str]:
    """Every module that is imported anywhere in a file, also for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def layer(name: str) -> int:
    for index, names in enumerate(LAYERS):
        if name in names or (name.partition(".")[0] in {"analysis", "cli"} and name.partition(".")[0] in names):
            return index
    pytest.fail(f"{name} stands in no layer: add it to LAYERS")


@pytest.mark.parametrize(("name", "path"), [item for item in modules().items() if item[0] not in {"", "web"}])
def test_imports_point_down(name: str, path: Path) -> None:
    known = modules()
    for imported in imports(path):
        other = imported.removeprefix("burgee.")
        if imported.startswith("burgee.") and other in known and other != "web":
            assert layer(other) <= layer(name), f"{name} imports {other}"


@pytest.mark.parametrize(("name", "path"), modules().items())
def test_some_libraries_have_one_door(name: str, path: Path) -> None:
    tops = {imported.partition(".")[0] for imported in imports(path)}
    for library, doors in ALONE.items():
        assert library not in tops or name in doors, f"{name} imports {library}"


@pytest.mark.parametrize(("name", "path"), [item for item in modules().items() if not item[0].startswith("cli")])
def test_only_the_command_line_prints_and_reads_the_environment(name: str, path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            assert node.id != "print", name
        if isinstance(node, ast.Attribute):
            assert node.attr != "environ", name


def loaded(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=FUNCTIONS, capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize("module", ["engine", "ruleset", "serving", "snapshots", "web.evaluation", "web.gateway"])
def test_evaluating_loads_nothing_heavy(module: str) -> None:
    assert {name.partition(".")[0] for name in loaded(f"import burgee.{module}")} & HEAVY == set()


def test_the_handler_loads_nothing_heavy_with_or_without_a_table() -> None:
    """By what Python itself tells of imports, of those inside functions too; a timer would tell it less surely."""
    table = {"BURGEE_TABLE": "flags", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "none"}
    for environment in ({}, {**table, "AWS_SECRET_ACCESS_KEY": "none"}):
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import evaluate"],
            cwd=FUNCTIONS,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        names = {
            line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")
        }
        assert ("burgee.stores.wire" in names) is ("BURGEE_TABLE" in environment)
        assert {name.partition(".")[0] for name in names} & HEAVY == set()


FIRST_ANSWER = """
import json, sys, wiring
from burgee.keys import Kind, create
from burgee.overrides import Act
from burgee.stores.sqlite import SqliteStore
from burgee.web.evaluation import evaluation_app
from burgee.web.gateway import gateway
store = SqliteStore(":memory:")
key = create(store, Kind.SERVER, "test", Act("key.create", "ada", "", 0.0)).token
handler = gateway(evaluation_app(wiring.serving(store), store, wiring.setup(store, "keys")))
before = set(sys.modules)
event = json.loads(sys.argv[1])
event["headers"] |= {"x-api-key": key, "origin": "https://shop.example"}
assert handler(event, None)["statusCode"] == 200
print(*set(sys.modules) - before, file=sys.stderr)
"""


def test_the_first_answer_to_a_key_and_a_page_loads_no_event_loop_library() -> None:
    """anyio's side of asyncio took longer to import than all else that the first caller waits for."""
    event = (FUNCTIONS.parent / "tests/events/http-api-user-flags.json").read_text(encoding="utf-8")
    command = [sys.executable, "-c", FIRST_ANSWER, event]
    ran = subprocess.run(command, cwd=FUNCTIONS, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert not [name for name in ran.stderr.split() if name.startswith("anyio._backends")]


def test_importing_the_library_loads_nothing_of_it() -> None:
    assert {name for name in loaded("import burgee") if name.startswith("burgee")} == {"burgee", "burgee.version"}
