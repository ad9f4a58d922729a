"""Overrides written back into flag files, from tests/cases/pull: what a person wrote stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from burgee.errors import FlagFileError, Refused
from burgee.flagfile.editor import write_back
from burgee.flagfile.flag_grammar import normalise
from burgee.flagfile.formatter import formatted
from burgee.flagfile.yaml_reader import Document
from burgee.flagfile.yaml_tree import comments

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


COMMENTED = """\
version: 1
environments: [staging, production]
flags:
  # about a
  a:  # at a
    status: on  # at status
    variants: {x: 1, y: 2}   # at variants
    rules:  # at rules
      # about Germany
      - name: Germany  # at Germany
        # about when
        when: {country: [DE], plan: pro}  # at when
        rollout_percentage: 10   # at share
        serve: x

      # about partners
      - {name: partners, when: {kind: partner}, rollout_percentage: 25, serve: x}  # at partners

      # about split
      - when:
          # about age
          age: {gte: 18}  # at age
        split: {  # at bracket
          x: 50,  # at x
          # about y
          y: 50  # at y
        }  # at split
    # below rules
    default: {serve: x }  # at default
    environments:  # at environments
      production:  # at production
        status: off  # at off

  # about b
  b: {status: on,   rollout_percentage: 5}   # at b
"""


def change(rules: Any, default: Any = None) -> Any:
    return {"variants": {"x": 1, "y": 2}, "status": True, "rules": rules, "default": default or {"serve": "x"}}


GERMANY = {"name": "Germany", "when": {"country": ["DE"], "plan": "pro"}, "rollout_percentage": 10, "serve": "x"}
PARTNERS = {"name": "partners", "when": {"kind": "partner"}, "rollout_percentage": 25, "serve": "x"}
ADULTS = {"when": {"age": {"gte": 18}}, "split": {"x": 50, "y": 50}}


PARTNERS_TEXT = """\
      # about partners
      - {name: partners, when: {kind: partner}, rollout_percentage: 25, serve: x}  # at partners

"""
ADDED = {"when": {"z": 1}, "serve": "y"}
ADDED_TEXT = """\
      - serve: "y"
        when:
          z: 1
"""
OLDER = {"when": {"age": {"gte": 21}}, "split": {"x": 50, "y": 50}}


@pytest.mark.parametrize(
    ("environment", "wanted", "edits"),
    [
        (None, change([GERMANY, PARTNERS | {"rollout_percentage": 50}, ADULTS]), [("25,", "50,")]),
        (None, change([GERMANY | {"rollout_percentage": 20}, PARTNERS, ADULTS]), [("e: 10 ", "e: 20 ")]),
        (
            None,
            change([GERMANY | {"when": {"country": ["DE"]}}, PARTNERS, ADULTS]),
            [(", plan: pro}", "}           ")],
        ),
        (
            None,
            change([GERMANY | {"when": {"country": "DE", "plan": "pro"}}, PARTNERS, ADULTS]),
            [("[DE], plan: pro}", "DE, plan: pro}  ")],
        ),
        (None, change([GERMANY, PARTNERS, OLDER]), [("18", "21")]),
        (
            None,
            change([GERMANY, PARTNERS, ADULTS | {"split": {"x": 40, "y": 60}}]),
            [("x: 50,", "x: 40,"), ("y: 50 ", "y: 60 ")],
        ),
        (None, change([GERMANY, ADULTS]), [(PARTNERS_TEXT, "")]),
        (None, change([GERMANY, PARTNERS, ADDED, ADULTS]), [(PARTNERS_TEXT, PARTNERS_TEXT[:-1] + ADDED_TEXT + "\n")]),
        (None, change([GERMANY, PARTNERS, ADULTS], {"serve": "y"}), [("serve: x }", 'serve: "y" }')]),
        ("production", change([GERMANY, PARTNERS, ADULTS]), [("status: off  # at off", "status: on   # at off")]),
    ],
)
def test_a_change_in_place_keeps_every_comment_and_style(
    tmp_path: Path, environment: str | None, wanted: Any, edits: list[tuple[str, str]]
) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(COMMENTED, encoding="utf-8")
    write_back(path, environment, {"a": normalise(wanted)})
    made, expected = path.read_text(encoding="utf-8"), COMMENTED
    for old, new in edits:
        assert expected.count(old) == 1
        expected = expected.replace(old, new)
    assert made == expected
    assert comments(formatted(made)) == comments(made)


def test_a_flag_is_edited_and_added_in_flow_style_too(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text("version: 1\nflags: {a: {status: on}, b: {status: on}}  # all\n", encoding="utf-8")
    write_back(path, None, {"a": {"status": False}, "c": {"status": True}})
    flags = "flags: {a: {status: off}, b: {status: on}, c: {status: on}}  # all\n"
    assert path.read_text(encoding="utf-8") == f"version: 1\n{flags}"
    path.write_text("version: 1\nflags: {}  # none yet\n", encoding="utf-8")
    write_back(path, None, {"a": {"status": True}})
    assert path.read_text(encoding="utf-8") == "version: 1\nflags:  # none yet\n  a:\n    status: on\n"


@pytest.mark.parametrize("time", ["2026-06-01T00:00:00Z", "2026-06-01T02:00:00+02:00", "2026-06-01"])
def test_a_time_without_quotes_is_kept_when_its_rule_changes(tmp_path: Path, time: str) -> None:
    path = tmp_path / "flags.yaml"
    rules = f"    rules:\n      - serve: on\n        when: {{born: {{after: {time}}}}}  # the law changed\n"
    path.write_text(f"version: 1\nflags:\n  a:\n    status: on\n{rules}    default: {{serve: off}}\n")
    rule = {"serve": "off", "when": {"born": {"after": time}}}
    wanted = normalise({"status": True, "rules": [rule], "default": {"serve": "off"}})
    assert write_back(path, None, {"a": wanted}) == []
    assert rules.replace("serve: on", "serve: off") in path.read_text()
