"""Overrides written back into flag files, from tests/cases/pull: what a person wrote stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from burgee.errors import FlagFileError, Refused
from burgee.flagfile.editor import write_back
from burgee.flagfile.flag_grammar import normalise
from burgee.flagfile.yaml_reader import Document

CASES = sorted((Path(__file__).parents[1] / "cases/pull").glob("*.txt"))


def parts(case: Path) -> tuple[dict[str, Any], bytes, bytes]:
    head, _, rest = case.read_bytes().partition(b"===== before\n")
    before, _, after = rest.partition(b"===== after\n")
    return Document(str(case), head).value, before, after


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_only_what_changes_is_written(tmp_path: Path, case: Path) -> None:
    reported, before, after = parts(case)
    path = tmp_path / "flags.yaml"
    path.write_bytes(before)
    wanted = {name: one and normalise(one) for name, one in reported["wanted"].items()}
    assert write_back(path, reported["environment"], wanted) == []
    assert path.read_bytes().decode() == after.decode()
    write_back(path, reported["environment"], wanted)
    assert path.read_bytes() == after, "writing it again changes nothing"


def test_a_flag_of_an_included_file_is_edited_there(tmp_path: Path) -> None:
    main, team = tmp_path / "flags.yaml", tmp_path / "team.yaml"
    main.write_text("version: 1\ninclude: [team.yaml]\nflags:\n  a: {status: on}\n", encoding="utf-8")
    team.write_text("version: 1\nflags:\n  b: {status: on}   # theirs\n", encoding="utf-8")
    before = main.read_bytes()
    write_back(main, None, {"b": {"status": False}})
    assert main.read_bytes() == before
    assert team.read_text(encoding="utf-8") == "version: 1\nflags:\n  b: {status: off}  # theirs\n"


@pytest.mark.parametrize(
    ("text", "environment", "wanted"),
    [
        ("flags:\n  a: {status: on}\n", "production", {"a": None}),
        ("flags:\n  a: {status: on, owner: x, rollout_percentage: 5}\n", "production", {"a": {"status": True}}),
        ("flags: {a: {status: on}, b: {status: on}}\n", None, {"a": {"status": False}}),
        ("flags: {}\n", None, {"a": {"status": True}}),
        ("flags:\n  a: {status: on}\n  b: {status: on, requires: [{flag: a, variant: on}]}\n", None, {"a": None}),
    ],
)
def test_what_the_file_cannot_say_is_refused_and_the_file_stays(
    tmp_path: Path, text: str, environment: str | None, wanted: Any
) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(f"version: 1\nenvironments: [production]\n{text}", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises((Refused, FlagFileError)):
        write_back(path, environment, wanted)
    assert path.read_bytes() == before


STRINGS = (
    "yes", "null", "~", "1.0", "1e3", "0o7", "2026-01-01", "12:30:45", "#x", "a #b", "a: b", "\n---\n", "---", "...",
    "\u2028x", "\u2029", "&a", "*a", "!!python/object/apply:os.system ['x']", "!tag", "%YAML 1.1", "|", "> ", "- a",
    "? a", "?", "{", "[", "]", ",", "'", '"', "\\", "${{ secrets.X }}", "@all", "`x`", "\t", "\ttab", " lead",
    "end ", "line1\n  line2\n\n", "x" * 200, "=", "<<", "off", "y", ".inf", ".nan", "-", "\u202e", "日本", "e\u0301",
)  # fmt: skip


@pytest.mark.parametrize("text", ["  beta: {status: on}\n", "  beta:\n    status: on\n"])
def test_every_string_is_read_back_as_it_was_written(tmp_path: Path, text: str) -> None:
    path = tmp_path / "flags.yaml"
    for string in STRINGS:
        path.write_text(f"version: 1\nflags:\n{text}  other: {{status: on}}\n", encoding="utf-8")
        wanted = {"description": string, "variants": {"a": {string: [string]}}}
        write_back(path, None, {"beta": normalise({**wanted, "status": True, "default": {"serve": "a"}})})
        written = Document(str(path), path.read_bytes()).value["flags"]
        assert {key: written["beta"][key] for key in wanted} == wanted, string
        assert written["other"] == {"status": "on"}


def test_a_flag_test_that_fails_now_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text("version: 1\nflags:\n  a: {status: on, tests: [{expect: on}]}\n", encoding="utf-8")
    (problem,) = write_back(path, None, {"a": {"status": False}})
    assert problem.code == "test-failed"


@pytest.mark.parametrize("time", ["2026-06-01T00:00:00Z", "2026-06-01T02:00:00+02:00", "2026-06-01"])
def test_a_time_without_quotes_is_kept_when_its_rule_changes(tmp_path: Path, time: str) -> None:
    path = tmp_path / "flags.yaml"
    rules = f"    rules:\n      - serve: on\n        when: {{born: {{after: {time}}}}}  # the law changed\n"
    path.write_text(f"version: 1\nflags:\n  a:\n    status: on\n{rules}    default: {{serve: off}}\n")
    rule = {"serve": "off", "when": {"born": {"after": time}}}
    wanted = normalise({"status": True, "rules": [rule], "default": {"serve": "off"}})
    assert write_back(path, None, {"a": wanted}) == []
    assert rules.replace("serve: on", "serve: off") in path.read_text()
