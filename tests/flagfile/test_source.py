"""Files as people write them: every fault reported at its place, every good one read as YAML 1.2 says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from burgee.errors import FlagFileError
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile import yaml_reader as yamlevents
from burgee.flagfile.checks import check
from burgee.flagfile.compile import compile_file
from burgee.flagfile.flag_tests import run_tests
from burgee.flagfile.grammar import json_schema
from burgee.flagfile.source import Source
from burgee.flagfile.yaml_reader import Document
from burgee.model import Severity

CASES = Path(__file__).parents[1] / "cases"
BAD = [*sorted((CASES / "bad").glob("*.yaml")), CASES / "bad/twice/flags.yaml"]
GOOD = [CASES.parent.parent / "flags.yaml", *sorted((CASES / "good").glob("*.yaml"))]
LOADERS = [pytest.param(loader, id=loader.__name__) for loader in (yaml.SafeLoader, yaml.CSafeLoader)]


@pytest.fixture(params=LOADERS)
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML's parsers in C and in Python, which must agree."""
    monkeypatch.setattr(yamlevents, "_LOADER", request.param)


@pytest.mark.usefixtures("_loader")
@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_each_fault_is_reported_at_its_place_and_nothing_else(path: Path) -> None:
    expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# expect: ").split(", ")
    found = [
        f"{problem.code} {relative(problem.place.file, path)}{problem.place.line}:{problem.place.column}"
        for problem in check(Source(path))
    ]
    assert found == expected


def relative(file: str, main: Path) -> str:
    return "" if Path(file) == main else f"{Path(file).relative_to(main.parent).as_posix()} "


def test_the_corpus_is_of_many_faults() -> None:
    assert len(BAD) >= 60
    assert len({path.read_text(encoding="utf-8").splitlines()[0].split()[2] for path in BAD}) >= 35


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("flags: {a: {statsu: on}}", "'status'"),
        ("flags: {a: {rules: [{when: {v: {semver_get: 1}}}]}}", "'semver_gt'"),
        ("flags: {a: {off_variant: of}}", "'off'"),
        ("flags: {dark_mode: {}, a: {requires: [{flag: dark_mod, variant: on}]}}", "'dark_mode'"),
        ("segments: {staff: {when: {segment: stafff}}}", "'staff'"),
        ("environments: [production]\nflags: {a: {environments: {prodution: {}}}}", "'production'"),
        ("flags: {a: {enabled: true}}", "'status'"),
        ("flags: {a: {rollout: 5}}", "'rollout_percentage'"),
        ("flags: {a: {rules: [{if: {country: DE}, serve: on}]}}", "'when'"),
        ("flags: {a: {rules: [{when: {country: {equals: DE}}, serve: on}]}}", "'eq'"),
        ("flags: {a: {rules: [{when: {age: {'>=': 18}}, serve: on}]}}", "'gte'"),
        ("holdouts: {quarter: {percentage: 1}}\nflags: {a: {holdout: quater}}", "'quarter'"),
    ],
)
def test_a_near_miss_is_suggested(tmp_path: Path, text: str, hint: str) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(f"version: 1\n{text}\n", encoding="utf-8")
    assert [problem.hint for problem in check(Source(path)) if hint in (problem.hint or "")]


@pytest.mark.usefixtures("_loader")
@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_good_files_compile_in_every_environment_and_their_tests_pass(path: Path) -> None:
    source = Source(path)
    assert [problem for problem in check(source) if problem.severity is Severity.ERROR] == []
    for environment in [None, *source.model.environments]:
        assert Ruleset(compile_file(path, environment)).check() == {}
    ran, failures = run_tests(source)
    assert ran >= 3
    assert failures == []


def test_scalars_are_those_of_yaml_1_2(tmp_path: Path) -> None:
    written = b"[NO, yes, on, 0123, 1_000, 22:22, 1.10, 0x1f, 0o7, 2027-01-01, 1e3, .5, '5', \"5\", ~]"
    assert Document("x", written).value == [
        "NO", "yes", "on", "0123", "1_000", "22:22", 1.1, "0x1f", "0o7", "2027-01-01", 1000.0, ".5", "5", "5", None,
    ]  # fmt: skip
    path = tmp_path / "flags.yaml"
    path.write_text(
        "version: 1\nflags: {a: {status: on, variants: {on: NO}, default: {serve: on}}}", encoding="utf-8"
    )
    assert Ruleset(compile_file(path)).evaluate("a", {}, 0).value == "NO"


def test_a_byte_order_mark_is_allowed(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_bytes(b"\xef\xbb\xbfversion: 1\nflags: {a: {status: on}}\n")
    assert check(Source(path)) == []


@pytest.mark.parametrize(
    ("written", "compiled"),
    [
        ("{x: 5, y: 6}", '{"x": 5, "y": 6}'),
        ("{x: 5.0, y: 6.0}", '{"x": 5.0, "y": 6.0}'),
        ("{x: {a: 5, b: 5.0}}", '{"x": {"a": 5, "b": 5.0}}'),
        ("{x: 5, y: 5.5}", '{"x": 5.0, "y": 5.5}'),
    ],
)
def test_numbers_stay_what_they_are_and_one_flag_has_one_type(tmp_path: Path, written: str, compiled: str) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(f"version: 1\nflags: {{a: {{variants: {written}, default: {{serve: x}}}}}}", encoding="utf-8")
    assert json.dumps(compile_file(path)["flags"]["a"]["variants"]) == compiled


def test_null_values_are_kept() -> None:
    flags = compile_file(CASES / "good/everything.yaml")["flags"]
    assert flags["null_variant"]["variants"] == {"nothing": None}
    assert flags["everything"]["variants"]["control"] == {"size": 1, "nothing": None}


def test_an_unknown_environment_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text("version: 1\nenvironments: [production]\nflags: {}\n", encoding="utf-8")
    with pytest.raises(FlagFileError, match="did you mean 'production'"):
        compile_file(path, "prodution")


ALIASES = [b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 115)]
HOSTILE = {
    "alias bomb": b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(ALIASES),
    "100 KB of [": b"[" * 100_000,
    "100 KB of {a:": b"{a: " * 25_000,
    "100 KB of -": b"- " * 50_000,
    "100 KB of ?": b"? " * 50_000,
    "100 KB of nested indents": b"".join(b" " * n + b"a:\n" for n in range(440)),
    "5 MiB": b"version: 1\nflags:\n" + b"".join(b"  flag_%07d: {status: on}\n" % n for n in range(200_000)),
    "invalid UTF-8": b"version: 1\nflags: {a: {description: \xff\xfe}}\n",
    "UTF-16": "version: 1\n".encode("utf-16"),
    "NUL": b"version: 1\nflags: {a\x00b: {}}\n",
}  # fmt: skip
MEASURE = """
import resource, sys, time
from pathlib import Path
from burgee.flagfile.checks import check
from burgee.flagfile.source import Source
path = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
times = []
for _ in range(3):
    started = time.process_time()
    problems = check(Source(path))
    times.append(time.process_time() - started)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(problems), problems[0].code, min(times), (after - before) / 1024)
"""


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_quickly_and_cheaply(tmp_path: Path, name: str) -> None:
    """Within 100 ms of processor time and 50 MB, which is the stated limit."""
    path = tmp_path / "flags.yaml"
    path.write_bytes(HOSTILE[name])
    command = [sys.executable, "-c", MEASURE, str(path)]
    environment = {"PYTHONPATH": str(CASES.parents[1] / "functions")}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert ran.returncode == 0, ran.stderr[-2000:]
    count, code, seconds, megabytes = ran.stdout.split()
    assert int(count) >= 1
    assert re.fullmatch("[a-z0-9-]+", code)
    assert float(seconds) < 0.1
    assert float(megabytes) < 50


def instance(path: Path) -> Any:
    return Document(str(path), path.read_bytes()).value


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_the_json_schema_accepts_good_files(path: Path) -> None:
    errors = [error.message for error in Draft202012Validator(json_schema()).iter_errors(instance(path))]
    assert errors == []


def test_the_json_schema_refuses_what_a_schema_can_see() -> None:
    validator = Draft202012Validator(json_schema())
    refused = []
    for path in BAD:
        try:
            value = instance(path)
        except FlagFileError:
            continue
        if not validator.is_valid(value):
            refused.append(path.stem)
    assert len(refused) >= 30
    assert {"unknown-key", "status-a-word", "percentage-above", "unknown-operator", "rule-without-when"} <= set(
        refused
    )


def properties(schema: Any) -> Any:
    if isinstance(schema, dict):
        named = schema.get("properties", {})
        yield from named.items()
        for value in [*named.values(), *(value for key, value in schema.items() if key != "properties")]:
            yield from properties(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from properties(value)


def test_the_json_schema_explains_every_key() -> None:
    silent = [name for name, value in properties(json_schema()) if "description" not in value]
    assert silent == []
