"""`burgee fmt`: one way to write a file, which says the same and loses no comment."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, SingleQuotedScalarString

from burgee.errors import FlagFileError, Refused
from burgee.flagfile.compile import compile_source
from burgee.flagfile.flag_grammar import FlagSpec, FlagTest, Overlay, RuleSpec
from burgee.flagfile.formatter import _ranks, formatted
from burgee.flagfile.grammar import FlagFile
from burgee.flagfile.source import Source
from burgee.flagfile.yaml_reader import Document
from burgee.flagfile.yaml_tree import comments

if TYPE_CHECKING:
    from random import Random

    from support.cli import Burgee

ROOT = Path(__file__).parents[2]
MESSY = """\
# What this file is about

flags:
    # about b
    b:   # beside b


        tests:
        - expect: 'on'
          user: "u1"       # why
        # above the second
        - {expect: off, user: u2}
        status: "on"
        description: 'it''s: fine'
        # below the description
      # below b
    a: {rules: [{serve: 'on', when: {country: [NO, "DE", 'x, y'], v: "2.3"}, name: "R"}], status: true}
    c:
        description: |
            text # no comment

            more
        status: off
        default: {
           serve: on  # inside
        }
        targets: {
          on: [a,
               b] }
        schedule:
          -
            # first
            set: {status: off}
            at: '2027-01-01'
version: 1
# the end
"""
CLEAN = """\
# What this file is about

version: 1
flags:
  # about b
  b:     # beside b
    description: "it's: fine"
    # below the description
    status: on

    tests:
      - user: u1           # why
        expect: on
      # above the second
      - {user: u2, expect: off}
  # below b
  a: {status: on, rules: [{name: R, when: {country: ["NO", DE, "x, y"], v: "2.3"}, serve: on}]}
  c:
    description: |
        text # no comment

        more
    status: off
    targets: {on: [a, b]}
    default: {
       serve: on  # inside
    }
    schedule:
      - at: 2027-01-01
        # first
        set: {status: off}
# the end
"""


def test_a_messy_file_comes_out_clean() -> None:
    assert formatted(MESSY) == CLEAN
    assert formatted(CLEAN) == CLEAN


@pytest.mark.parametrize(
    ("written", "reported"),
    [
        ("'x'", "x"),
        ('"on"', "on"),
        ("yes", '"yes"'),
        ("NO", '"NO"'),
        ('"2.3.0"', '"2.3.0"'),
        ("2.3.0", '"2.3.0"'),
        ("0123", '"0123"'),
        ("'#0a0'", '"#0a0"'),
        ("a@example.com", "a@example.com"),
        ("'@example.com'", '"@example.com"'),
        ("'2027-03-01'", "2027-03-01"),
        ("2027-03-01T09:00:00Z", "2027-03-01T09:00:00Z"),
        ("'a: b'", '"a: b"'),
        ("a:b", "a:b"),
        ("'say \"x\"'", 'say "x"'),
        ("'\"x\" he said'", "'\"x\" he said'"),
        (r"'a\d'", r"a\d"),
        (r"'^a\d'", r"'^a\d'"),
        (r'"\u00e9\t"', r'"\u00e9\t"'),
        ("1.50", "1.50"),
        ("1e3", "1e3"),
        ("True", "true"),
        ("~", "null"),
        ("''", '""'),
        ("' x'", '" x"'),
        ('"a # b"', '"a # b"'),
        ("a#b", "a#b"),
        ("'Größe'", "Größe"),
        ("'<<'", '"<<"'),
    ],
)
def test_quotes_stand_where_a_reader_could_be_mistaken(written: str, reported: str) -> None:
    text = f"version: 1\nflags:\n  a:\n    variants:\n      x: {written}\n    default: {{serve: x}}\n"
    assert formatted(text) == text.replace(written, reported)


def test_shares_and_variants_keep_their_order() -> None:
    """A split's arms are shares in the order that is written: sorted, they would move users."""
    text = "version: 1\nflags:\n  a:\n    variants: {z: 1, b: 2}\n    default: {split: {z: 1, b: 3}}\n"
    assert formatted(text) == text


def test_an_attribute_called_status_is_left_alone() -> None:
    text = "version: 1\nflags:\n  a: {status: on, rules: [{when: {status: true}, serve: on}]}\n"
    assert formatted(text) == text


def test_line_ends_and_marks_of_windows_go() -> None:
    assert formatted("\ufeffversion: 1\r\nflags: {}\r\n") == "version: 1\nflags: {}\n"


def test_the_same_in_two_spellings_is_written_alike() -> None:
    one = "version: 1\nflags:\n    a:\n        status: 'on'\n        owner: \"x\"\n"
    other = 'flags:\n  "a":\n    owner: x\n    status: true\nversion: 1\n'
    assert formatted(one) == formatted(other)


@pytest.mark.parametrize("part", [FlagFile, FlagSpec, Overlay, RuleSpec, FlagTest])
def test_every_key_of_the_grammar_has_its_place(part: Any) -> None:
    known = {field.alias or name for name, field in part.model_fields.items()}
    assert known <= set(_ranks(part))


def test_what_cannot_be_formatted_is_refused_whole() -> None:
    with pytest.raises(Refused, match="line breaks"):
        formatted("version: 1\rflags: {}\n")


def test_a_comment_behind_a_dash_goes_above_it() -> None:
    rule = "when: {x: 1}\n        serve: on\n"
    start = "version: 1\nflags:\n  a:\n    status: on\n    rules:\n"
    assert formatted(f"{start}      - # why\n        {rule}") == f"{start}      # why\n      - {rule}"


PATHS = [ROOT / "flags.yaml", *sorted((ROOT / "tests/cases").glob("*.yaml"))]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_formatting_a_real_file_changes_no_meaning(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "flags.yaml"
    text = path.read_text(encoding="utf-8")
    copy.write_text(text, encoding="utf-8")
    source = Source(copy)
    if source.problems:
        pytest.skip("these cases are not a flag file")
    made = formatted(text)
    before = compile_source(source, None)
    copy.write_text(made, encoding="utf-8")
    assert json.dumps(compile_source(Source(copy), None)) == json.dumps(before)
    assert formatted(made) == made


def test_the_example_is_formatted() -> None:
    text = (ROOT / "flags.yaml").read_text(encoding="utf-8")
    assert formatted(text) == text


TEXTS = st.one_of(
    st.sampled_from(
        ["on", "off", "yes", "NO", "null", "~", "1.0", "0x1f", "1_000", "12:30", "2027-01-01", "=", "<<"]
    ),
    st.sampled_from(
        ["a: b", "a #b", "- a", "? a", "a:", "{a}", "[", "#", "it's", 'say "x"', "a\\b", "@x", "%x", "`x"]
    ),
    st.text(
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029\ufeff"),
        min_size=1,
        max_size=12,
    ),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True)
SHARES = st.one_of(st.integers(0, 100), st.integers(0, 100_000).map(lambda share: share / 1000))
VALUES = st.recursive(
    st.one_of(TEXTS, st.booleans(), st.integers(-(10**9), 10**9), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=5,
)
RULES = st.fixed_dictionaries(
    {"when": st.dictionaries(NAMES.map("attr.".__add__), st.one_of(TEXTS, st.lists(TEXTS, min_size=1)), max_size=2)},
    optional={"name": TEXTS, "serve": TEXTS, "rollout_percentage": SHARES, "salt": TEXTS},
)
TESTS = st.fixed_dictionaries({"expect": TEXTS, "context": st.dictionaries(NAMES, VALUES)})
FLAGS = st.fixed_dictionaries(
    {},
    optional={
        "description": TEXTS,
        "owner": TEXTS,
        "status": st.booleans(),
        "expires": st.just("2027-03-01"),
        "rollout_percentage": SHARES,
        "variants": st.dictionaries(TEXTS, VALUES, min_size=1, max_size=3),
        "targets": st.dictionaries(TEXTS, st.lists(TEXTS, max_size=3), max_size=2),
        "rules": st.lists(RULES, max_size=3),
        "default": st.fixed_dictionaries({}, optional={"serve": TEXTS}),
        "tags": st.lists(TEXTS, max_size=2),
        "environments": st.dictionaries(NAMES, st.fixed_dictionaries({"rollout_percentage": SHARES}), max_size=2),
        "tests": st.lists(
            st.fixed_dictionaries({"expect": TEXTS, "context": st.dictionaries(NAMES, VALUES)}), max_size=2
        ),
    },
)
FILES = st.fixed_dictionaries(
    {"version": st.just(1), "flags": st.dictionaries(NAMES, FLAGS, min_size=1, max_size=3)},
    optional={"environments": st.lists(NAMES, max_size=2), "include": st.just([])},
)


def dressed(value: Any, chance: Random, depth: int = 0) -> Any:
    """The same value as a person might write it: quotes, flow or block, keys in any order."""
    if isinstance(value, dict):
        ordered = list(value.items())
        if {"status", "when", "expect", "version"} & set(value):
            chance.shuffle(ordered)
        made = CommentedMap((key, dressed(item, chance, depth + 1)) for key, item in ordered)
        if depth and chance.random() < 0.4:
            made.fa.set_flow_style()
        return made
    if isinstance(value, list):
        listed = CommentedSeq(dressed(item, chance, depth + 1) for item in value)
        if chance.random() < 0.5:
            listed.fa.set_flow_style()
        return listed
    if isinstance(value, str):
        return chance.choice([DoubleQuotedScalarString, SingleQuotedScalarString, DoubleQuotedScalarString])(value)
    return value


def commented(text: str, chance: Random) -> str:
    """Comments all over a file, above lines that begin an entry and beside short ones."""
    lines = []
    for number, line in enumerate(text.splitlines()):
        deep = len(line) - len(line.lstrip())
        begins = line.lstrip()[:1] not in {"", "]", "}", "'", '"', "?", ":"}
        if begins and chance.random() < 0.2:
            lines += ["", " " * deep + f"# above {number}"]
        lines.append(line + (f"  # beside {number}" if begins and chance.random() < 0.2 else ""))
    return "\n".join(lines) + "\n"


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(FILES, st.randoms(use_true_random=False))
def test_formatting_is_idempotent_and_says_the_same(value: Any, chance: Random) -> None:
    text = commented(yaml_of(dressed(value, chance), chance), chance)
    try:
        FlagFile.model_validate(Document("", text.encode()).value)
    except (FlagFileError, ValidationError):
        assume(False)
    made = formatted(text)
    assert meaning(made) == meaning(text)
    assert comments(made) == comments(text)
    assert formatted(made) == made


def yaml_of(value: Any, chance: Random) -> str:
    yaml = YAML()
    yaml.width = chance.choice([40, 4096])
    mapping = chance.choice([2, 4])
    yaml.indent(mapping=mapping, sequence=mapping + 2, offset=2)
    yaml.allow_unicode = True
    out = io.StringIO()
    yaml.dump(value, out)
    return out.getvalue()


def meaning(text: str) -> Any:
    """What another reader makes of a file; the words `on` and `off` are a flag's status."""
    loaded = YAML(typ="safe", pure=True).load(text)
    return json.dumps(_plain(loaded), sort_keys=True, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            str(key): {True: "on", False: "off"}.get(item, item) if key == "status" else _plain(item)
            for key, item in value.items()
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def test_check_changes_nothing_and_says_what_it_would(burgee: Burgee) -> None:
    burgee.write(MESSY)
    ran = burgee("fmt", "--check")
    assert (ran.code, ran.out) == (1, "flags.yaml: would be formatted\n")
    assert (burgee.folder / "flags.yaml").read_text(encoding="utf-8") == MESSY
    assert burgee("fmt").out == "flags.yaml: formatted\n"
    assert (burgee.folder / "flags.yaml").read_text(encoding="utf-8") == CLEAN
    assert burgee("fmt", "--check") == (0, "", "")


def test_included_files_are_formatted_too(burgee: Burgee) -> None:
    burgee.write("version: 1\ninclude: [teams/*.yaml]\n")
    burgee.write("flags: {a: {owner: x, status: 'on'}}\n", "teams/a.yaml")
    ran = burgee("fmt")
    assert (ran.code, ran.out) == (0, "teams/a.yaml: formatted\n")
    assert (burgee.folder / "teams/a.yaml").read_text(encoding="utf-8") == "flags: {a: {owner: x, status: on}}\n"


def test_a_broken_file_is_reported_and_left(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags:\n  a: {statsu: on}\n")
    ran = burgee("fmt")
    assert ran.code == 1
    assert "flags.yaml:3:7: error unknown-key" in ran.err
