"""Imports point one way, and what a Lambda evaluates with imports nothing heavy."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[1] / "functions"
PACKAGE = FUNCTIONS / "burgee"

# What each package imports of ours, from the bottom up: only packages above its own row, so there is no circle.
# `python tests/test_architecture.py` prints this table with what each package is for, in its own words.
VOCABULARY = {
    "version": set(),
    "records": set(),
    "numeric": set(),
    "plurals": set(),
    "files": set(),
    "http_client": set(),
    "times": {"records"},
    "model": {"records", "times"},
    "errors": {"model"},
    "findings": {"model"},
}
PACKAGES = {
    "evaluation": set(),
    "stores": set(),
    "guards": {"evaluation"},
    "access": {"stores"},
    "accessors": {"evaluation"},
    "diff": {"evaluation", "guards"},
    "events": {"evaluation", "guards", "stores"},
    "flagfile": {"evaluation", "guards"},
    "importers": {"evaluation", "flagfile"},
    "analysis": {"evaluation", "events", "flagfile", "guards"},
    "review": {"diff", "evaluation", "guards"},
    "serving": {"evaluation", "flagfile", "stores"},
    "releases": {"evaluation", "flagfile", "guards", "serving", "stores"},
    "shadow": {"evaluation", "events"},
    "openfeature": {"evaluation", "events", "serving", "stores"},
    "webhooks": {"evaluation", "releases", "stores"},
    "removal": {"accessors"},
    "testing": {"evaluation", "flagfile", "openfeature", "serving"},
    "agents": {"access", "diff", "evaluation", "flagfile", "releases", "stores"},
    "web": {
        *("access", "accessors", "diff", "evaluation", "events", "flagfile"),
        *("releases", "review", "serving", "stores", "webhooks"),
    },
    "handlers": {"access", "events", "guards", "releases", "serving", "stores", "web", "webhooks"},
    "cli": {
        *("access", "accessors", "agents", "analysis", "diff", "evaluation", "events", "flagfile", "guards"),
        *("importers", "releases", "removal", "review", "serving", "shadow", "stores", "web", "webhooks"),
    },
}
ROWS = {**VOCABULARY, **{package: row | VOCABULARY.keys() for package, row in PACKAGES.items()}}
AWS = {
    "stores.dynamodb_client",
    "stores.dynamodb_table",
    "analysis.remote",
    "events.firehose_sink",
    "handlers.audit_stream",
    "handlers.live_notify",
    "webhooks.kms",
    "guards.alarms",
    "handlers.guard_rounds",
    "cli.project.doctor",
}
ALONE = {"yaml": {"flagfile.yaml_reader"}, "boto3": AWS, "botocore": AWS}
HEAVY = {"pydantic", "fastapi", "yaml", "typer", "rich", "boto3", "botocore", "sqlite3", "uvicorn", "ruamel"}
HEAVY |= {"jinja2", "numpy", "scipy", "pandas", "pyarrow", "duckdb", "ibis", "tea_tasting"}


def modules() -> dict[str, Path]:
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        found[name.removesuffix("__init__").removesuffix(".")] = path
    return found


@cache
def imports(path: Path) -> set[str]:
    """Every module that is imported anywhere in a file, also for types alone."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def purpose(package: str) -> str:
    """What a package is for: the first sentence of its docstring."""
    path = PACKAGE / f"{package}.py"
    tree = ast.parse((path if path.exists() else PACKAGE / package / "__init__.py").read_text(encoding="utf-8"))
    return " ".join((ast.get_docstring(tree) or "").partition("\n\n")[0].split())


@cache
def dependencies() -> dict[str, set[str]]:
    """Every module with the modules of ours that it imports, for types alone too."""
    known = modules()
    graph = {}
    for name, path in known.items():
        found = {imported.removeprefix("burgee.") for imported in imports(path) if imported.startswith("burgee.")}
        # `from burgee.web import problems` imports the package for its name's sake only.
        graph[name] = {
            one
            for one in found
            if one in known and not any(other.startswith(f"{one}.") for other in found & known.keys())
        }
    return graph


@pytest.mark.parametrize("package", ROWS)
def test_a_package_imports_what_its_row_names_and_its_row_names_no_more(package: str) -> None:
    others = {
        imported.partition(".")[0]: f"{name} imports {imported}"
        for name, found in dependencies().items()
        if name.partition(".")[0] == package
        for imported in found
        if imported.partition(".")[0] != package
    }
    assert not {other: how for other, how in others.items() if other not in ROWS[package]}
    assert not {**VOCABULARY, **PACKAGES}[package] - others.keys()


def test_every_package_has_its_row_below_those_that_it_imports() -> None:
    assert {name.partition(".")[0] for name in dependencies() if name} == ROWS.keys()
    order = list(ROWS)
    for package, row in ROWS.items():
        assert row <= set(order[: order.index(package)]), package
        assert purpose(package), package


def test_no_module_imports_itself_by_a_detour() -> None:
    """Circles, inside folders too: modules are taken away while they import nothing that is left."""
    left = {name: set(found) - {name} for name, found in dependencies().items()}
    while leaves := [name for name, found in left.items() if not found & left.keys()]:
        for name in leaves:
            del left[name]
    assert not left, f"a circle among {sorted(left)}"


@pytest.mark.parametrize(("name", "path"), modules().items())
def test_some_libraries_have_one_door(name: str, path: Path) -> None:
    tops = {imported.partition(".")[0] for imported in imports(path)}
    for library, doors in ALONE.items():
        assert library not in tops or name in doors, f"{name} imports {library}"


@pytest.mark.parametrize(
    ("name", "path"), [item for item in modules().items() if item[0].partition(".")[0] not in {"cli", "handlers"}]
)
def test_only_handlers_and_the_command_line_print_and_read_the_environment(name: str, path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            assert node.id != "print", name
        if isinstance(node, ast.Attribute):
            assert node.attr != "environ", name


def loaded(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=FUNCTIONS, capture_output=True, text=True, check=True)
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    "module", ["evaluation.flag", "evaluation.ruleset", "serving.serving", "web.evaluation_app", "web.gateway"]
)
def test_evaluating_loads_nothing_heavy(module: str) -> None:
    assert {name.partition(".")[0] for name in loaded(f"import burgee.{module}")} & HEAVY == set()


def test_the_handler_loads_nothing_heavy_with_or_without_a_table() -> None:
    """By Python's own report of imports, also of those inside functions; a timer would be less certain."""
    table = {"BURGEE_TABLE": "flags", "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "none"}
    for environment in ({}, {**table, "AWS_SECRET_ACCESS_KEY": "none"}):
        ran = subprocess.run(
            [sys.executable, "-X", "importtime", "-c", "import burgee.handlers.evaluate"],
            cwd=FUNCTIONS,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        names = {
            line.rpartition("|")[2].strip() for line in ran.stderr.splitlines() if line.startswith("import time:")
        }
        assert ("burgee.stores.dynamodb_http" in names) is ("BURGEE_TABLE" in environment)
        assert {name.partition(".")[0] for name in names} & HEAVY == set()


MAY_LOAD = {"burgee", "mangum", "snapshot_restore_py"}
MAY_NOT_LOAD = {"ssl", "dataclasses", "random", "http", "pathlib", "tempfile", "xml", "multiprocessing"}


def test_the_evaluation_function_loads_these_libraries_alone() -> None:
    """What else it loads is Python's own, without what would cost its start most; a table needs more of that."""
    before = loaded("")
    found = {name.partition(".")[0] for name in loaded("import burgee.handlers.evaluate") - before}
    assert found - sys.stdlib_module_names == MAY_LOAD
    assert not found & MAY_NOT_LOAD
    assert not {name for name in loaded("import burgee.handlers.evaluate") if name.startswith("burgee.events.")}


def test_the_command_line_loads_no_grammar_and_no_statistics_before_it_knows_the_command() -> None:
    heavy = {"pydantic", "yaml", "starlette", "fastapi", "boto3", "botocore", "numpy", "scipy", "duckdb", "ibis"}
    assert not {name.partition(".")[0] for name in loaded("import burgee.cli.app")} & heavy


FIRST_ANSWER = """
import json, sys
from burgee.handlers import wiring
from burgee.access.keys import Kind, create
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.evaluation_app import evaluation_app
from burgee.web.gateway import gateway
store = SqliteStore(":memory:")
key = create(store, Kind.SERVER, "test", AuditContext("key.create", "ada", "", 0.0)).token
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


if __name__ == "__main__":
    print("vocabulary, which every package may import:")
    for vocable in VOCABULARY:
        print(f"  {vocable:12} {purpose(vocable)}")
    for package, row in PACKAGES.items():
        print(f"{package:12} {purpose(package)}\n{'':12} imports {', '.join(sorted(row)) or 'the vocabulary alone'}")
