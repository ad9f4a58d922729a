from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from burgee.evaluation.bucketing import bucket
from burgee.version import __version__

if TYPE_CHECKING:
    from support.cli import Burgee

GOOD = """\
version: 1
environments: [staging, production]
flags:
  dark_mode: {status: on}
  beta:
    status: on
    rollout_percentage: 25
    environments: {production: {rollout_percentage: 5}}
  button:
    status: on
    variants: {blue: "#00f", green: "#0f0"}
    rules:
      - {name: germans, when: {country: DE, age: {gte: 18}}, serve: green}
    default: {serve: blue}
    tests: [{context: {country: DE, age: 30}, expect: green}, {expect: blue}]
"""


def test_lint_of_a_clean_file_says_so_and_exits_0(burgee: Burgee) -> None:
    burgee.write(GOOD)
    ran = burgee("lint")
    assert (ran.code, ran.err) == (0, "")
    assert "3 flags, 4 tests: no problems" in ran.out


def test_lint_shows_every_problem_with_its_place_and_exits_1(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags:\n  a: {status: maybe}\n  b: {statsu: on}\n")
    ran = burgee("lint")
    assert ran.code == 1
    assert ran.out == ""
    assert "flags.yaml:3:15: error wrong-type" in ran.err
    assert "flags.yaml:4:7: error unknown-key" in ran.err
    assert "did you mean 'status'?" in ran.err


def test_lint_takes_many_files_and_shows_scripts_in_json(burgee: Burgee) -> None:
    burgee.write(GOOD, "one.yaml")
    burgee.write("version: 1\nflags:\n  a: {rollout_percentage: 101}\n", "two.yaml")
    ran = burgee("lint", "one.yaml", "two.yaml", "--json")
    assert ran.code == 1
    assert ran.json["flags"] == 3
    (problem,) = ran.json["problems"]
    assert (problem["file"], problem["line"], problem["column"]) == ("two.yaml", 3, 27)
    assert (problem["code"], problem["severity"]) == ("percentage-range", "error")


def test_warnings_are_reported_and_do_not_fail(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags:\n  old: {status: on, expires: 2020-01-01}\n")
    ran = burgee("lint")
    assert ran.code == 0
    assert "flags.yaml:3:3: warning stale: old: expired on 2020-01-01: remove it" in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["lint"],
        ["lint", "nowhere.yaml"],
        ["test", "nowhere.yaml"],
        ["eval", "dark_mode", "--flags", "nowhere.yaml"],
        ["nonsense"],
        ["lint", "--nonsense"],
    ],
)
def test_misuse_exits_2(burgee: Burgee, arguments: list[str]) -> None:
    assert burgee(*arguments).code == 2


@pytest.mark.parametrize("extra", [["--at", "yesterday"], ["--set", "country"], ["--set", "=DE"]])
def test_an_argument_that_cannot_be_read_exits_2(burgee: Burgee, extra: list[str]) -> None:
    burgee.write(GOOD)
    assert burgee("eval", "dark_mode", *extra).code == 2


def test_a_failed_flag_test_is_reported_at_its_line(burgee: Burgee) -> None:
    burgee.write(GOOD.replace("{expect: blue}", "{expect: green}"))
    for command in ("test", "lint"):
        ran = burgee(command)
        assert ran.code == 1
        assert "flags.yaml:15:" in ran.err
        assert "test-failed" in ran.err
    assert burgee("test", "--json").json["failures"][0]["code"] == "test-failed"


def test_eval_answers_in_a_sentence(burgee: Burgee) -> None:
    burgee.write(GOOD)
    ran = burgee("eval", "button", "--user", "ada", "--set", "country=DE", "--set", "age=18")
    assert (ran.code, ran.out) == (0, 'button = "#0f0"  (variant green, TARGETING_MATCH)\n')
    assert "variant blue, DEFAULT" in burgee("eval", "button", "--set", "country=FR").out


def test_eval_reads_numbers_as_numbers_and_quoted_numbers_as_text(burgee: Burgee) -> None:
    burgee.write(GOOD)
    assert "blue" in burgee("eval", "button", "--set", "country=DE", "--set", 'age="18"').out


def test_eval_lays_an_environment_over(burgee: Burgee) -> None:
    burgee.write(GOOD)
    between = next(user for user in map(str, range(1000)) if 5000 <= bucket(user, "beta") < 25000)
    assert burgee("eval", "beta", "--user", between).out.startswith("beta = true")
    assert burgee("eval", "beta", "--user", between, "--env", "production").out.startswith("beta = false")
    wrong = burgee("eval", "beta", "--user", between, "--env", "prodution")
    assert wrong.code == 1
    assert "did you mean 'production'?" in wrong.err


def test_explain_names_each_step_with_bucket_and_threshold(burgee: Burgee) -> None:
    burgee.write(GOOD)
    ran = burgee("eval", "beta", "--user", "ada", "--explain")
    assert f"bucket of 'ada:beta' is {bucket('ada', 'beta'):,}, not below 25,000" in ran.out
    reported = burgee("eval", "beta", "--user", "ada", "--explain", "--json").json
    assert reported["steps"] == [
        {
            "step": "default",
            "variant": reported["variant"],
            "verdict": "answered",
            "bucket": bucket("ada", "beta"),
            "from": 0,
            "below": 25000,
            "hashed": "ada:beta",
        }
    ]


def test_eval_without_a_unit_where_one_is_needed_exits_1(burgee: Burgee) -> None:
    burgee.write(GOOD)
    ran = burgee("eval", "beta")
    assert ran.code == 1
    assert "TARGETING_KEY_MISSING" in ran.err
    assert burgee("eval", "beta", "--json").json["error_code"] == "TARGETING_KEY_MISSING"


def test_schema_prints_a_json_schema(burgee: Burgee) -> None:
    assert burgee("schema").json["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_bundle_writes_what_a_lambda_serves_and_refuses_a_broken_file(burgee: Burgee) -> None:
    burgee.write(GOOD)
    assert burgee("bundle", "out/release.json", "--env", "production").code == 0
    bundled = json.loads((burgee.folder / "out/release.json").read_text(encoding="utf-8"))
    assert bundled["snapshot"]["flags"]["beta"]["rollout_percentage"] == 5
    burgee.write("version: 1\nflags: {a: 1}\n")
    assert burgee("bundle", "out/broken.json").code == 1
    assert not (burgee.folder / "out/broken.json").exists()


def test_version(burgee: Burgee) -> None:
    assert burgee("--version").out == f"burgee {__version__}\n"


def test_no_colours_without_a_terminal(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags: {a: 1}\n")
    for arguments in (["lint"], ["--help"], ["nonsense"]):
        ran = burgee(*arguments)
        assert "\x1b[" not in ran.out + ran.err


ENDS_OF_TIME = """\
version: 1
flags:
  f:
    status: on
    expires: 9999-12-31T23:59:59Z
    rules:
      - {when: {t: {before: "9999-12-31T23:59:59Z"}}, serve: on}
      - {when: {t: {after: 0001-01-01}}, serve: on}
    default: {serve: off}
  g:
    status: on
    rollout_percentage:
      {from: 0, to: 100, start: "0001-01-01T00:00:00+23:59", end: "9999-12-31T23:59:60.9999999Z"}
    schedule: [{at: "9999-12-31T23:59:59.9999999-23:59", set: {status: off}}]
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["lint"],
        ["test"],
        ["diff", "other.yaml", "flags.yaml"],
        ["diff", "flags.yaml", "other.yaml"],
        ["timeline"],
        ["simulate", "g"],
        ["eval", "f", "--user", "u", "--set", "t=9999-12-31T23:59:59-23:59", "--explain"],
        ["eval", "g", "--user", "u", "--at", "9999-12-31T23:59:59-23:59", "--explain"],
        ["eval", "g", "--user", "u", "--at", "0001-01-01T00:00:00+23:59"],
    ],
    ids=" ".join,
)
def test_the_first_and_the_last_times_that_can_be_written_are_times(burgee: Burgee, arguments: list[str]) -> None:
    burgee.write(ENDS_OF_TIME)
    burgee.write(
        ENDS_OF_TIME.replace('{before: "9999', '{before: "9998').replace("{after: 0001", "{after: 0002"), "other.yaml"
    )
    ran = burgee(*arguments)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("command", [["eval", "buton"], ["simulate", "buton"], ["timeline", "buton"]])
def test_a_flag_that_is_not_there_is_an_error_with_the_nearest_name(burgee: Burgee, command: list[str]) -> None:
    burgee.write(GOOD)
    assert burgee(*command) == (1, "", "burgee: there is no flag 'buton' (did you mean 'button'?)\n")
    far = [command[0], "quite_another"]
    assert burgee(*far) == (1, "", "burgee: there is no flag 'quite_another'\n")


@pytest.mark.parametrize("command", [["simulate", "button", "--svg", "no/such.svg"], ["bundle", "flags.yaml/x.json"]])
def test_a_file_that_cannot_be_written_is_named_without_a_traceback(burgee: Burgee, command: list[str]) -> None:
    burgee.write(GOOD)
    ran = burgee(*command)
    assert ran.code == 1
    assert ran.err.startswith("burgee: ")
    assert ran.err.count("\n") == 1
    assert command[-1].partition("/")[0] in ran.err
