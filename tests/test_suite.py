"""The tests themselves: where each stands, and that none depends on how busy the machine is."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "functions/burgee"
# A test stands in the folder of its subject and begins with the name of its module, or is listed with its subject.
SPANNING = {
    "analysis/test_combinations.py": "metrics in every combination of their keys",
    "analysis/test_holdouts.py": "what a holdout was worth",
    "analysis/test_reference.py": "published numbers",
    "analysis/test_tails.py": "estimates of metrics with a few large values",
    "cli/project/test_init.py": "burgee init",
    "cli/project/test_upgrade.py": "burgee upgrade",
    "cli/test_care.py": "burgee stale, refs, simulate and timeline",
    "diff/test_pull_requests.py": "whole pull requests, as data",
    "evaluation/test_evaluation_cases.py": "whole flags, as data",
    "events/test_hostile_records.py": "records that any client may send",
    "handlers/test_planted.py": "what no log may hold",
    "handlers/test_snapstart.py": "handlers that are restored from a snapshot",
    "importers/test_importers.py": "every importer",
    "releases/test_canary.py": "a release for a share of users",
    "releases/test_nothing_lost.py": "proposals from their making to the merge",
    "releases/test_state_machine.py": "releases and overrides in any order",
    "stores/test_concurrency.py": "stores on the same data",
    "stores/test_contract.py": "every store",
    "stores/test_keys.py": "keys, on every store",
    "stores/test_killed.py": "writers that are killed",
    "stores/test_malformed_answers.py": "both clients of DynamoDB",
    "stores/test_shelves.py": "shelves, on every store",
    "stores/test_versions.py": "stores that another version wrote",
    "stores/test_wire.py": "the client that only reads",
    "test_architecture.py": "imports",
    "test_benchmarks.py": "the benchmarks and their page",
    "test_docs.py": "the documentation",
    "test_growth.py": "every parser",
    "test_prose.py": "words in the package, its documentation and its tests",
    "test_published_suites.py": "what other engines' suites ask, as `suites/` puts it",
    "test_suite.py": "the tests",
    "web/test_first_version.py": "what the first version answered",
    "web/test_foreign_pages.py": "pages of other origins",
    "web/test_guesses.py": "guesses of keys",
    "web/test_hostile.py": "requests that any client may send",
    "web/test_hostile_everywhere.py": "such requests to a server",
    "web/test_management.py": "flags as resources",
    "web/test_recording.py": "exposures and events",
    "web/test_spans.py": "spans of requests",
    "web/test_stateful.py": "the whole service in any order",
    "web/test_tracking.py": "from an event to a report",
}
CLOCKS = {"sleep", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time", "thread_time"}
# A test that waits for another thread or process uses support/waiting.py. Beside it these look at a clock:
LOOKING = {
    "access/test_key_cache.py": "compares how long right and wrong guesses take, which is its subject",
    "events/test_jsonl_sink.py": "kills a process at a random moment",
    "flagfile/test_nesting.py": "bounds processor time, by minutes",
    "stores/test_killed.py": "kills a process at a random moment",
    "support/gateway.py": "refuses stock clients for a while, which they wait for",
    "support/waiting.py": "is the one that waits",
    "test_benchmarks.py": "stalls a server under a measured load",
    "test_growth.py": "compares processor times of one thread",
    "support/browser.py": "waits for what a browser does",
    "web/test_event_streams.py": "compares how soon pages are notified with the lowest that their rate allows",
    "web/test_event_streams_pacing.py": "lets some ticks of the service pass, to see that nothing is sent",
    "web/test_event_streams_browser.py": "measures how soon a page repaints, which is its subject",
    "web/test_ofrep.py": "sends the parts of a body late, against a limit of 0.1 seconds",
}


@cache
def files() -> dict[str, ast.Module]:
    """Every file of the tests, parsed."""
    return {
        str(path.relative_to(TESTS)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted(TESTS.rglob("*.py"))
        if "benchmarks" not in path.parts and "node_modules" not in path.parts
    }


def modules(folder: Path) -> set[str]:
    """The names of modules and packages below a folder; of modules alone at the top."""
    found = PACKAGE.glob("*.py") if folder == PACKAGE else folder.rglob("*")
    return {path.stem for path in found if path.suffix == ".py" or path.is_dir()}


def test_a_test_stands_where_what_it_tests_stands() -> None:
    for name in files():
        path = Path(name)
        subject = path.stem.removeprefix("test_")
        mirrors = path.parts[0] == "infra" or any(
            subject == module or subject.startswith(f"{module}_") for module in modules(PACKAGE / path.parent)
        )
        assert mirrors is (name not in SPANNING) or not path.name.startswith("test_"), name


def test_what_is_listed_is_there() -> None:
    assert not SPANNING.keys() - files().keys()


def test_helpers_are_in_support() -> None:
    beside = {"conftest.py", "conformance.py"}
    for name in files():
        path = Path(name)
        assert path.parts[0] in {"support", "suites"} or path.name.startswith("test_") or path.name in beside, name


def test_no_test_imports_another() -> None:
    for name, tree in files().items():
        imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not [module for module in imported if module.rpartition(".")[2].startswith("test_")], name


def clocks(tree: ast.AST) -> set[str]:
    """The clocks of the time module that a file names, and sleeping; `asyncio.sleep(0)` only lets others run."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time":
            found.add(node.attr)
        if (
            isinstance(node, ast.Call)
            and ast.unparse(node.func) == "asyncio.sleep"
            and ast.unparse(node.args[0]) != "0"
        ):
            found.add("sleep")
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            found |= {alias.name for alias in node.names}
    return found & CLOCKS


def test_only_these_look_at_a_clock() -> None:
    assert {name for name, tree in files().items() if clocks(tree)} == LOOKING.keys()


def test_no_example_has_a_deadline() -> None:
    given = {
        name
        for name, tree in files().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg == "deadline"
    }
    assert given == {"conftest.py"}
