"""`burgee stale`, `refs`, `simulate` and `timeline`, as their users see them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

import burgee as library
from burgee.diff.symbolic import Side
from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.ruleset import Ruleset
from burgee.review.code_references import references
from burgee.review.stale import everyone

if TYPE_CHECKING:
    from support.cli import Burgee

NOW = "2026-06-01T00:00:00Z"


def commit(burgee: Burgee, day: str, text: str | None = None, name: str = "flags.yaml") -> None:
    """A commit on a day of 2026, of some text or of nothing."""
    if text is not None:
        burgee.write(text, name)
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    moments = {f"GIT_{who}_DATE": f"2026-{day}T00:00:00Z" for who in ("AUTHOR", "COMMITTER")}
    environment = {**os.environ, **identity, **moments}
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", day, "--allow-empty"]):
        subprocess.run(["git", *arguments], cwd=burgee.folder, env=environment, check=True, capture_output=True)


def file(**flags: str) -> str:
    lines = [f"  {name}: {{owner: o, {keys}}}\n" for name, keys in flags.items()]
    return "version: 1\nenvironments: [production]\nflags:\n" + "".join(lines)


def test_a_flag_that_has_been_at_a_hundred_is_stale_from_then_on(burgee: Burgee) -> None:
    commit(burgee, "01-01", file(a="status: on, rollout_percentage: 50", b="status: on"))
    commit(burgee, "04-01", file(a="status: on, rollout_percentage: 100", b="status: on"))
    commit(burgee, "05-30", file(a="status: on, description: x", b="status: on, rollout_percentage: 50"))
    ran = burgee("stale", "--at", NOW, "--days", "61")
    why = "on for everyone, for 61 days (since 2026-04-01): put it into the code and remove the flag"
    assert (ran.code, ran.out) == (1, f"a: settled: {why}, or mark it permanent\n")
    assert burgee("stale", "--at", NOW, "--days", "62") == (0, "no flag can be removed\n", "")


def test_what_is_settled_in_one_environment_alone_stays_and_says_why(burgee: Burgee) -> None:
    text = (
        "version: 1\nenvironments: [staging, production]\nflags:\n"
        "  both: {owner: o, status: on}\n"
        "  one: {owner: o, status: on, environments: {staging: {rollout_percentage: 30}}}\n"
        "  two: {owner: o, status: on, environments: {staging: {status: off}}}\n"
    )
    commit(burgee, "01-01", text)
    why = {
        "one": "in staging it has not given everyone one answer for 30 days",
        "two": "everyone gets off in staging, on in production",
    }
    found = {one["flag"]: one["message"] for one in burgee("stale", "--env", "production", "--json").json}
    assert {flag: message.partition("; not yet: ")[2] for flag, message in found.items()} == {"both": "", **why}
    assert found.keys() == {"both", "one", "two"}
    lines = burgee("stale", "--remove", "--env", "production").out.splitlines()
    assert lines[0].startswith("both: stays: usage is not recorded")
    assert lines[1:] == [f"{flag}: stays: {reason}" for flag, reason in why.items()]
    lines = burgee("stale", "--remove", "--env", "staging").out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["both", "two"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--remove", "--at", NOW], "not with --remove"),
        (["--remove", "--json"], "not with --remove"),
        (["--code", "."], "it needs --remove"),
        (["--ignore-bulk"], "it needs --remove"),
    ],
)
def test_options_that_would_do_nothing_are_misuse(burgee: Burgee, options: list[str], why: str) -> None:
    commit(burgee, "01-01", file(a="status: on"))
    ran = burgee("stale", *options, "--env", "production")
    assert (ran.code, why in ran.err) == (2, True)


def test_off_and_zero_percent_are_one_answer_and_permanent_flags_are_left_alone(burgee: Burgee) -> None:
    commit(burgee, "01-01", file(a="status: off", b="status: off, permanent: true", c="status: off"))
    commit(burgee, "03-01", file(a="status: on, rollout_percentage: 0", b="status: off", c="status: on"))
    commit(burgee, "03-02", file(a="status: off", b="status: off, permanent: true", c="status: off"))
    ran = burgee("stale", "--at", NOW, "--json")
    assert [(one["flag"], one["message"][:29]) for one in ran.json] == [
        ("a", "off for everyone, for 151 day"),
        ("c", "off for everyone, for 91 days"),
    ]


def test_what_a_schedule_or_ramp_did_counts_from_then(burgee: Burgee) -> None:
    ramp = "{from: 0, to: 100, start: 2026-01-02T00:00:00Z, end: 2026-05-02T00:00:00Z}"
    commit(
        burgee,
        "01-01",
        file(
            a="status: on, rollout_percentage: 5, schedule: [{at: 2026-04-02, set: {rollout_percentage: 100}}]",
            b=f"status: on, rollout_percentage: {ramp}",
        ),
    )
    out = burgee("stale", "--at", NOW, "--days", "1").out
    assert "a: settled: on for everyone, for 60 days" in out
    assert "b: settled: on for everyone, for 30 days" in out
    assert "settled" not in burgee("stale", "--at", "2026-03-01T00:00:00Z").out


def test_an_edit_not_yet_committed_is_the_newest_version(burgee: Burgee) -> None:
    commit(burgee, "01-01", file(a="status: on"))
    burgee.write(file(a="status: on, rollout_percentage: 50"))
    assert burgee("stale", "--at", NOW).code == 0


def test_an_included_file_has_its_history_too(burgee: Burgee) -> None:
    burgee.write("version: 1\ninclude: [teams/*.yaml]\n")
    commit(burgee, "01-01", "flags: {a: {owner: o, status: on, rollout_percentage: 9}}\n", "teams/a.yaml")
    commit(burgee, "04-02", "flags: {a: {owner: o, status: on}}\n", "teams/a.yaml")
    assert "for 60 days" in burgee("stale", "--at", NOW).out


def test_expiry_and_owner_need_no_time(burgee: Burgee) -> None:
    text = "version: 1\nflags:\n  a: {status: on, rollout_percentage: 5, expires: 2026-05-01}\n"
    commit(burgee, "05-31", text)
    ran = burgee("stale", "--at", NOW)
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "a: expired: expired on 2026-05-01: remove it, or change the date",
        "a: no-owner: it has no owner: give it an `owner`",
    ]


def test_without_git_there_is_no_age(burgee: Burgee) -> None:
    burgee.write(file(a="status: on"))
    ran = burgee("stale")
    assert ran.code == 1
    assert "is not in Git" in ran.err


OTHERS = {
    "half": {"status": True, "rollout_percentage": 50},
    "all": {"status": True},
    "named": {"status": True, "rollout_percentage": 0, "targets": {"on": ["u"]}},
}
"""What other flags of a file give: half of the users something, all the same, or one user something."""


@pytest.mark.parametrize(
    ("definition", "answer"),
    [
        ({"status": True, "default": {"split": {"on": 1, "off": 0}}}, "on"),
        ({"status": True, "default": {"split": {"on": 1, "off": 1}}}, None),
        ({"status": True, "rules": [{"when": {}, "serve": "on"}]}, "on"),
        ({"status": True, "rules": [{"when": {"country": "DE"}, "serve": "off"}]}, None),
        ({"variants": {"a": 1}, "default": {"serve": "a"}}, "no value"),
        ({"variants": {"a": 1}, "default": {"serve": "a"}, "status": True, "rollout_percentage": 99}, None),
        ({"status": True, "requires": [{"flag": "all", "variant": "on"}]}, "on"),
        ({"status": True, "requires": [{"flag": "all", "variant": "off"}]}, "off"),
        ({"status": True, "requires": [{"flag": "half", "variant": "on"}]}, None),
        ({"status": True, "requires": [{"flag": "named", "variant": "on"}]}, None),
        ({"status": True, "requires": [{"flag": "gone", "variant": "on"}]}, "off"),
        ({"status": True, "targets": {"off": ["u"]}}, None),
    ],
)
def test_one_answer_for_everyone(definition: dict[str, Any], answer: str | None) -> None:
    snapshot = {"flags": {**OTHERS, "f": definition}}
    assert everyone(Side(snapshot, 0), "f") == answer
    users = ["u", *map(str, range(2000))]
    contexts = [{"targetingKey": user, "country": country} for user in users for country in ("DE", "FR")]
    given = {Ruleset(snapshot).evaluate("f", context, 0).variant for context in contexts}
    assert (
        (given == {None if answer == "no value" else answer}) if answer else len(given) > 1 or "default" in definition
    )


def test_a_flag_that_something_will_move_is_not_ready_to_go(burgee: Burgee) -> None:
    schedule = "schedule: [{at: 2026-07-01, set: {rollout_percentage: 50}}]"
    needs = "requires: [{flag: a, variant: 'on'}]"
    commit(burgee, "01-01", file(a=f"status: on, {schedule}", b=f"status: on, {needs}", c="status: on"))
    assert [line[:1] for line in burgee("stale", "--at", NOW).out.splitlines()] == ["c"]


def test_a_flag_is_as_old_as_what_it_requires(burgee: Burgee) -> None:
    needs = "requires: [{flag: a, variant: 'on'}]"
    commit(burgee, "01-01", file(a="status: off", b=f"status: on, {needs}"))
    commit(burgee, "04-02", file(a="status: on", b=f"status: on, {needs}"))
    reported = burgee("stale", "--at", NOW, "--json").json
    assert [one["message"].partition(":")[0] for one in reported] == [
        "on for everyone, for 60 days (since 2026-04-02)"
    ] * 2
    lint = burgee("lint", "--at", NOW).err
    assert [name for name in "ab" if f"{name}: on for everyone, for 60 days (since 2026-04-02)" in lint] == ["a", "b"]


PYTHON = '''\
"""Mentions beta_search in a docstring."""
BETA = "beta_search"
NAMES = {"button"}

def f(client, kind):
    client.get_boolean_value(BETA, False)
    client.get_string_details(flag_key="chekout", default_value="")
    client.get_boolean_value(f"exp-{kind}", False)
    client.get("other")  # beta_search
'''


def test_python_is_read_through_its_syntax_tree() -> None:
    found, patterns = references("a.py", PYTHON, {"beta_search", "button", "other-one"})
    reported = [(one.flag, one.line, one.column, one.asked) for one in found]
    assert reported == [
        ("beta_search", 2, 8, False),
        ("button", 3, 10, False),
        ("beta_search", 6, 30, True),
        ("chekout", 7, 40, True),
    ]
    assert [(one.expression, one.line) for one in patterns] == [(r"exp\-.*", 8)]


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        ('client.getBooleanValue("nope", false)', ["nope"]),
        ("const x = useStringFlagValue(`nope.a-b`, '')", ["nope.a-b"]),
        ('client.BooleanValue(ctx, "dark_mode", false, e)', ["dark_mode"]),
        ("curl /ofrep/v1/evaluate/flags/nope", ["nope"]),
        ("curl /users/1/flags/search", ["search"]),
        ("we search for a dark_mode here", ["dark_mode"]),
        ("the dark_mode.", ["dark_mode"]),
        ("dark_modes and xdark_mode and dark_mode.x", []),
        ("if 'search' in names", ["search"]),
    ],
)
def test_other_languages_are_read_as_text(line: str, flags: list[str]) -> None:
    found, _ = references("a.ts", line, {"dark_mode", "search"})
    assert [one.flag for one in found] == flags


def test_a_python_file_that_does_not_parse_is_read_as_text() -> None:
    found, _ = references("a.py", 'print "dark_mode"\n', {"dark_mode"})
    assert [(one.flag, one.line) for one in found] == [("dark_mode", 1)]


def test_refs_shows_what_nothing_names_and_what_is_not_there(burgee: Burgee) -> None:
    burgee.write(
        "version: 1\nflags:\n  beta_search: {status: on}\n  gone: {status: on}\n  base: {status: on}\n"
        "  exp-1: {status: on, requires: [{flag: base, variant: on}]}\n"
    )
    burgee.write(PYTHON, "src/a.py")
    burgee.write("beta_search\0", "src/a.bin")
    burgee.write('x("gone")', "src/node_modules/m/index.js")
    ran = burgee("refs", "src")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "beta_search",
        "  src/a.py:2:8",
        "  src/a.py:6:30",
        "gone: no code names it",
        "src/a.py:8:30: a name is built at run time: exp\\-.*",
    ]
    assert ran.err == "src/a.py:7:40: there is no flag 'chekout'\n"
    assert burgee("refs", "src", "--json").json["unnamed"] == ["gone"]


def test_refs_reads_what_git_follows(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags:\n  beta_search: {status: on}\n")
    burgee.write("out/\n", ".gitignore")
    burgee.write('x("beta_search")', "out/a.js")
    subprocess.run(["git", "init", "-q"], cwd=burgee.folder, check=True)
    ran = burgee("refs", ".")
    assert (ran.code, ran.out) == (0, "beta_search: no code names it\n")


FLAG = """\
version: 1
environments: [production]
flags:
  base: {status: on, rollout_percentage: 50}
  button:
    status: on
    variants: {a: 1, b: 2}
    off_variant: a
    targets: {b: [ada]}
    rules:
      - {name: 'staff "x" <y>', when: {staff: true}, serve: b}
    rollout_percentage: 40
    default: {split: {a: 1, b: 3}}
    environments: {production: {rollout_percentage: 0}}
"""


def test_simulate_shows_shares_that_the_engine_agrees_with(burgee: Burgee) -> None:
    path = burgee.write(FLAG)
    ran = burgee("simulate", "button", "--json")
    regions = {tuple(row["percent"].items()) for row in ran.json["regions"]}
    assert regions == {(("b", 100.0),), (("a", 70.0), ("b", 30.0))}
    assert ran.json["users"] == {"ada": "b"}
    ruleset = library.load(path)
    variants = [ruleset.evaluate("button", {"targetingKey": f"u{n}"}).variant for n in range(20_000)]
    assert abs(variants.count("b") / len(variants) - 0.3) < 4 * (0.3 * 0.7 / len(variants)) ** 0.5
    assert BUCKETS == 100_000


def test_simulate_lays_an_environment_over(burgee: Burgee) -> None:
    burgee.write(FLAG)
    assert "  users matching no rule" in burgee("simulate", "button", "--env", "production").out
    assert "a 100 %" in burgee("simulate", "button", "--env", "production").out


def test_simulate_draws_the_same_as_svg(burgee: Burgee) -> None:
    burgee.write(FLAG)
    assert burgee("simulate", "button", "--svg", "out.svg").code == 0
    root = ET.fromstring((burgee.folder / "out.svg").read_text(encoding="utf-8"))
    reported = [text.text or "" for text in root.iter("{http://www.w3.org/2000/svg}title")]
    assert {"a: 70 %", "b: 30 %", "b: 100 %"} <= set(reported)
    widths = [
        float(bar.get("width", "0"))
        for bar in root.iter("{http://www.w3.org/2000/svg}rect")
        if bar.find("{http://www.w3.org/2000/svg}title") is not None
    ]
    assert sum(widths) == pytest.approx(2 * 688)


def test_simulate_of_no_flag_says_which_there_is(burgee: Burgee) -> None:
    burgee.write(FLAG)
    ran = burgee("simulate", "buton")
    assert ran.code == 1
    assert "did you mean 'button'?" in ran.err


def test_timeline_shows_what_comes_by_itself_in_its_order(burgee: Burgee) -> None:
    burgee.write(
        "version: 1\nflags:\n"
        "  a:\n"
        "    status: off\n"
        "    expires: 2027-03-01\n"
        "    rollout_percentage: {from: 0, to: 50, start: 2026-12-01T00:00:00Z, end: 2026-12-11T00:00:00Z}\n"
        "    schedule:\n"
        "      - {at: 2026-12-05T00:00:00Z, set: {status: on}}\n"
        "      - {at: 2027-01-01T00:00:00Z, set: {rollout_percentage: 100}}\n"
        "  b: {status: on, expires: 2026-01-01}\n"
    )
    ran = burgee("timeline", "--at", NOW)
    assert ran.out.splitlines() == [
        "2026-12-05T00:00:00Z  a: status: off -> on",
        "    all users: 20 % off -> on",
        "    until 2026-12-11T00:00:00Z, little by little, all users: 30 % off -> on",
        "2026-12-11T00:00:00Z  a: rollout arrives at 50 %",
        "2027-01-01T00:00:00Z  a: rollout_percentage: a ramp from 0 % to 50 % -> 100",
        "    all users: 50 % off -> on",
        "2027-03-01T00:00:00Z  a: expires",
    ]
    assert burgee("timeline", "b", "--at", NOW).out == "no future changes\n"
    assert len(burgee("timeline", "--at", NOW, "--json").json) == 4
