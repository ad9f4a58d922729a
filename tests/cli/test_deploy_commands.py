"""plan, apply, rollback, history, status, pull and override, on the embedded store and on a DynamoDB table."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from support.dynamodb import CREDENTIALS, wire_url

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

FILE = """\
version: 1
flags:
  # the first
  beta: {status: on, rollout_percentage: 25}
  dark: {status: on}
"""


@pytest.fixture(params=["embedded", "dynamodb"])
def on(request: pytest.FixtureRequest, burgee: Burgee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The options that name the store."""
    for name in ("GITHUB_SHA", "GITHUB_ACTOR"):
        monkeypatch.delenv(name, raising=False)
    burgee.write(FILE)
    if request.param == "embedded":
        return []
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return ["--table", f"flags-{tmp_path.name}", "--endpoint-url", wire_url()]


def test_a_write_names_one_of_the_files_environments(burgee: Burgee, on: list[str]) -> None:
    burgee.write(FILE.replace("flags:", "environments: [staging, production]\nflags:"))
    for command in (
        ["apply"],
        ["kill", "beta", "--reason", "why"],
        ["rollback"],
        ["promote"],
        ["unkill", "beta"],
        ["override", "set", "beta", "status=off", "--reason", "why"],
        ["override", "clear", "beta"],
        ["keys", "create", "server"],
        ["keys", "rotate", "0"],
        ["keys", "revoke", "0"],
        ["settings", "--no-cors"],
        ["pull"],
    ):
        refused = burgee(*command, *on)
        assert refused.code == 2, command
        assert "staging, production" in refused.err
    mistyped = burgee("apply", *on, "--env", "stagin")
    assert (mistyped.code, "'staging'?" in mistyped.err) == (2, True)


def test_every_success_names_project_environment_and_store(burgee: Burgee, on: list[str]) -> None:
    burgee.write(FILE.replace("flags:", "environments: [staging, production]\nflags:"))
    store = f"table {on[1]}" if on else ".burgee/state.sqlite"
    where = [*on, "--env", "staging", "--project", "shop"]
    key = burgee("keys", "create", "server", "--json", *where).json["id"]
    for command in (
        ["apply"],
        ["override", "set", "beta", "status=off", "--reason", "why"],
        ["override", "clear", "beta"],
        ["kill", "beta", "--reason", "why"],
        ["unkill", "beta"],
        ["keys", "create", "server"],
        ["keys", "rotate", key],
        ["keys", "revoke", key],
        ["settings", "--no-cors"],
    ):
        done = burgee(*command, *where)
        assert done.code == 0, (command, done.err)
        assert f"project shop, environment staging, {store}" in done.out + done.err, command


def test_before_the_first_release_a_flag_is_not_called_unknown(burgee: Burgee, on: list[str]) -> None:
    burgee.write(FILE.replace("flags:", "environments: [staging]\nflags:"))
    for command in (
        ["kill", "beta", "--reason", "r"],
        ["unkill", "beta"],
        ["override", "set", "beta", "status=off", "--reason", "r"],
    ):
        refused = burgee(*command, *on, "--env", "staging")
        assert (refused.code, "nothing is released to staging yet" in refused.err) == (1, True), command
        assert ("`burgee serve --env staging`" in refused.err) == (not on), "a table is not released to by serving it"
        assert "`burgee apply --env staging`" in refused.err
    assert burgee("apply", *on, "--env", "staging").code == 0
    assert "there is no flag" in burgee("kill", "gamma", "--reason", "r", *on, "--env", "staging").err


def test_unkill_says_if_the_file_keeps_the_flag_off(burgee: Burgee, on: list[str]) -> None:
    burgee("apply", *on)
    assert "is off in the file" not in burgee("unkill", "dark", *on).err
    burgee("kill", "dark", "--reason", "r", *on)
    assert "is off in the file" not in burgee("unkill", "dark", *on).out
    burgee("kill", "dark", "--reason", "r", *on)
    burgee("pull", *on)
    burgee("apply", *on)
    refused = burgee("unkill", "dark", *on)
    assert refused.err == "burgee: 'dark' has not been killed; its status is off in the file\n"
    later = "status: off, schedule: [{at: 2026-01-01T00:00:00Z, set: {status: on}}]"
    burgee.write(FILE.replace("dark: {status: on}", f"dark: {{{later}}}"))
    burgee("apply", *on)
    burgee("kill", "dark", "--reason", "r", *on)
    assert "; its status is off in the file" in burgee("unkill", "dark", *on).out


def test_without_an_environment_the_store_of_a_plain_serve_can_be_written(burgee: Burgee, on: list[str]) -> None:
    burgee.write(FILE.replace("flags:", "environments: [staging]\nflags:"))
    assert burgee("apply", *on, "--env", "default").code == 0
    done = burgee("kill", "beta", "--reason", "why", *on)
    assert done.code == (2 if on else 0), "which is this machine's alone; a table's is for others"


def test_a_kill_needs_a_reason_and_a_flag_that_is_there(burgee: Burgee, on: list[str]) -> None:
    burgee("apply", *on)
    assert burgee("kill", "beta", *on).code == 2
    for command in (["kill", "betta", "--reason", "it blinks"], ["unkill", "betta"]):
        unknown = burgee(*command, *on)
        assert (unknown.code, "did you mean 'beta'?" in unknown.err) == (1, True)
    assert burgee("kill", "beta", "--reason", "it blinks", *on).code == 0
    (laid,) = burgee("override", "list", *on, "--json").json
    assert (laid["flag"], laid["definition"]["status"], laid["reason"]) == ("beta", False, "it blinks")
    assert burgee("unkill", "beta", *on).code == 0
    assert burgee("override", "list", *on, "--json").json == []
    unknown = burgee("override", "set", "betta", "status=on", "--reason", "x", *on)
    assert (unknown.code, "did you mean 'beta'?" in unknown.err) == (1, True)
    assert burgee("override", "set", "brand_new", "status=on", "--reason", "x", "--new", *on).code == 0
    actions = [entry["action"] for entry in burgee("audit", *on, "--flag", "beta", "--json").json["entries"]]
    assert actions == ["flag.unkill", "flag.kill"]


def test_a_kill_outlasts_a_schedule_and_ends_in_what_was_before_it(burgee: Burgee, on: list[str]) -> None:
    scheduled = "status: on, schedule: [{at: 2026-01-01T00:00:00Z, set: {status: on}}]"
    burgee.write(FILE.replace("dark: {status: on}", f"dark: {{{scheduled}}}"))
    burgee("apply", *on)
    burgee("override", "set", "dark", "rollout_percentage=30", "--reason", "slowly", *on)
    assert burgee("kill", "dark", "--reason", "it blinks", *on).code == 0
    assert burgee("eval", "dark", "--live", "--user", "ada", *on, "--json").json["value"] is False
    assert burgee("unkill", "dark", *on).code == 0
    (laid,) = burgee("override", "list", *on, "--json").json
    assert (laid["definition"]["status"], laid["definition"]["rollout_percentage"]) == (True, 30)


def test_live_answers_are_the_stores(burgee: Burgee, on: list[str]) -> None:
    nothing = burgee("eval", "beta", "--live", *on)
    assert (nothing.code, "no release is live" in nothing.err) == (1, True)
    burgee("apply", *on)
    burgee("override", "set", "beta", "rollout_percentage=100", "--reason", "all of them", *on)
    burgee("kill", "dark", "--reason", "it blinks", *on)
    for user in ("ada", "bob", "eve", "kim"):
        assert burgee("eval", "beta", "--user", user, "--live", *on, "--json").json["value"] is True
    reported = burgee("eval", "dark", "--live", *on)
    assert "dark = false" in reported.out
    assert "release 1, override by " in reported.out
    assert "dark = true" in burgee("eval", "dark").out, "the file has not changed"
    if on:
        (burgee.folder / "flags.yaml").unlink()
    listed = burgee("list", "--live", *on)
    assert [line.split()[:2] for line in listed.out.splitlines()] == [["beta", "on,"], ["dark", "off"]]
    assert "it blinks" in listed.out
    assert not on or burgee("eval", "dark", *on).code == 2, "a table that is not asked is no answer"


def test_doctor_needs_no_more_of_an_emulator_than_a_table(burgee: Burgee, on: list[str]) -> None:
    burgee("apply", *on)
    checks = {one["check"]: one["level"] for one in burgee("doctor", "--json", *on).json}
    assert checks.get("table") == ("ok" if on else None)


def test_the_audit_log_shows_no_change_where_git_caught_up(burgee: Burgee, on: list[str]) -> None:
    burgee("apply", *on)
    burgee("kill", "beta", "--reason", "it blinks", *on)
    burgee.write(FILE.replace("{status: on, rollout_percentage: 25}", "{rollout_percentage: 25, status: off}"))
    assert burgee("apply", *on).code == 0
    reported = burgee("audit", "--flag", "beta", *on).out
    assert "override.absorb" in reported
    assert "order of its keys" not in reported
    assert "status: true -> false" in reported


def test_list_shows_the_file(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert burgee("list").out == "beta  on, 25 %\ndark  on\n"
    assert [one["flag"] for one in burgee("list", "--json").json] == ["beta", "dark"]
    assert burgee("list", "--flags", "absent.yaml").code == 2


def test_a_table_needs_no_flag_file(burgee: Burgee, on: list[str]) -> None:
    assert burgee("apply", *on).code == 0
    (burgee.folder / "flags.yaml").unlink()
    for command in (
        ["history"],
        ["override", "list"],
        ["kill", "beta", "--reason", "why"],
        ["audit"],
        ["keys", "list"],
    ):
        assert burgee(*command, *on).code == (0 if on else 2), command
    assert not on or burgee("plan", *on).code == 2, "a plan compares with the file"


def test_from_a_plan_to_a_rollback(burgee: Burgee, on: list[str]) -> None:
    planned = burgee("plan", *on)
    assert (planned.code, "+ beta" in planned.out) == (0, True)
    assert burgee("status", *on).code == 1
    assert "release 1 is live" in burgee("apply", *on).out
    assert burgee("status", *on).code == 0

    burgee.write(FILE.replace("25", "50"))
    reported = burgee("plan", *on, "--json").json
    assert reported["changed"] == {"beta": {"rollout_percentage": [25, 50]}}
    assert reported["refusal"] is None
    assert burgee("apply", *on, "--plan-digest", "0000").code == 1
    assert burgee("apply", *on, "--plan-digest", reported["digest"][:16]).code == 0
    listed = burgee("history", *on, "--json").json
    assert (listed["current"], [release["version"] for release in listed["releases"]]) == (2, [2, 1])

    back = burgee("rollback", *on)
    assert "rollout_percentage: 50 -> 25" in back.out
    assert back.out.startswith("release 2 -> release 1\n")
    assert burgee("history", *on, "--json").json["current"] == 1
    assert burgee("rollback", *on).code == 1
    assert burgee("rollback", "2", *on).code == 0
    assert burgee("rollback", "77", *on).code == 1


def test_an_override_from_its_laying_to_git(burgee: Burgee, on: list[str]) -> None:
    burgee("apply", *on)
    assert burgee("override", "set", "beta", "status=off", *on).code == 2, "a reason is needed"
    assert burgee("override", "set", "beta", "status=off", "--reason", "it blinks", *on).code == 0
    (override,) = burgee("override", "list", *on, "--json").json
    assert (override["flag"], override["definition"]["status"], override["reason"]) == ("beta", False, "it blinks")
    assert "the override stays" in burgee("plan", *on).out
    assert burgee("status", *on).code == 1

    assert burgee("pull", *on).code == 0
    assert (burgee.folder / "flags.yaml").read_text(encoding="utf-8") == FILE.replace(
        "beta: {status: on,", "beta: {status: off,"
    )
    assert "Git agrees now" in burgee("apply", *on).out
    assert burgee("override", "list", *on, "--json").json == []
    assert burgee("status", *on).code == 0


@pytest.mark.parametrize("options", [[], ["--env", "staging"], ["--env", "default"]])
def test_pull_says_for_which_environments_it_writes(burgee: Burgee, options: list[str]) -> None:
    burgee.write(FILE.replace("flags:", "environments: [staging, production]\nflags:"))
    assert burgee("apply", *(options or ["--env", "default"])).code == 0
    assert burgee("kill", "dark", "--reason", "r", *options).code == 0
    pulled = burgee("pull", *options)
    everywhere = "" if "staging" in options else " for all environments: staging, production"
    assert (pulled.code, pulled.out) == (0, f"dark: written{everywhere}\n")
    off = {env for env in ("staging", "production") if "= false" in burgee("eval", "dark", "--env", env).out}
    assert off == ({"staging"} if "staging" in options else {"staging", "production"})


def test_pull_names_tests_that_expect_the_old_answer_and_exits_with_1_until_they_go(burgee: Burgee) -> None:
    """The flag that `init` writes, killed and pulled: lint refuses the file for as long as pull does."""
    assert burgee("init", "--github").code == 0
    on = ["--env", "staging"]
    assert burgee("apply", *on).code == 0
    assert burgee("kill", "new_search", "--reason", "r", *on).code == 0
    for printed in ("new_search: written\n", ""):
        pulled = burgee("pull", *on)
        assert (pulled.code, pulled.out) == (1, printed)
        assert "error test-failed" in pulled.err
        assert "change or remove them before you commit" in pulled.err
        assert burgee("lint").code == 1
    path = burgee.folder / "flags.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text[: text.index("    tests:")], encoding="utf-8")
    pulled = burgee("pull", *on)
    assert (pulled.code, pulled.err) == (0, "")
    assert burgee("lint").code == 0


def test_a_conflict_is_refused_until_it_is_decided(burgee: Burgee, on: list[str]) -> None:
    burgee("apply", *on)
    burgee("override", "set", "beta", "status=off", "--reason", "it blinks", *on)
    burgee.write(FILE.replace("25", "50"))
    planned = burgee("plan", *on)
    assert planned.code == 1
    assert "CONFLICT" in planned.out
    assert "apply would refuse" in planned.err
    assert burgee("apply", *on).code == 1
    assert burgee("apply", *on, "--overrides", "keep").code == 0
    assert burgee("override", "clear", "beta", *on).code == 0
    assert burgee("override", "clear", "beta", *on).code == 1


def test_what_apply_refuses(burgee: Burgee, on: list[str]) -> None:
    burgee("apply", *on)
    for text, option in (
        ("version: 1\nflags: {}\n", "--allow-empty"),
        (FILE.replace("dark:", "light:") + "  dark: {status: on}\n", None),
    ):
        burgee.write(text)
        assert burgee("apply", *on).code == (1 if option else 0)
        if option:
            assert option in burgee("apply", *on).err
    burgee.write(FILE)
    assert burgee("apply", *on).code == 0
    burgee.write(FILE.replace("dark:", "light:"))
    assert burgee("apply", *on).code == 1, "light was given up a moment ago"
    assert burgee("apply", *on, "--reuse").code == 0
    burgee.write(FILE.replace("on}", "on, tests: [{expect: off}]}"))
    refused = burgee("apply", *on)
    assert (refused.code, "test-failed" in refused.err) == (1, True)


def test_an_override_may_end_by_itself_or_make_a_flag_absent(burgee: Burgee, on: list[str]) -> None:
    burgee("apply", *on)
    assert burgee("override", "set", "beta", "status=off", "--reason", "r", "--expires-in", "soon", *on).code == 2
    assert burgee("override", "set", "beta", "status=off", "--reason", "r", "--expires-in", "2h", *on).code == 0
    assert burgee("override", "list", *on, "--json").json[0]["expires_at"]
    assert burgee("override", "set", "beta", "--absent", "--reason", "r", *on).code == 0
    assert burgee("override", "list", *on, "--json").json[0]["definition"] is None
    for wrong in (["nonsense"], ["rolout=5"], ["rollout_percentage=500"], ["rules=[{when: {segment: nobody}}]"]):
        assert burgee("override", "set", "beta", *wrong, "--reason", "r", *on).code in {1, 2}


def test_environments_are_tenants(burgee: Burgee, on: list[str]) -> None:
    burgee.write(FILE.replace("flags:", "environments: [staging, production]\nflags:"))
    burgee("apply", *on, "--env", "staging")
    assert burgee("history", *on, "--env", "production", "--json").json["releases"] == []
    burgee("override", "set", "dark", "status=off", "--reason", "r", "--env", "staging", *on)
    assert burgee("pull", "--env", "staging", *on).code == 0
    text = (burgee.folder / "flags.yaml").read_text(encoding="utf-8")
    assert "dark: {status: on, environments: {staging: {status: off}}}" in text
    assert burgee("apply", *on, "--env", "production").code == 0


def test_a_release_shows_its_commit(burgee: Burgee, monkeypatch: pytest.MonkeyPatch, on: list[str]) -> None:
    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", *arguments]
        return subprocess.run(command, cwd=burgee.folder, capture_output=True, text=True, check=True).stdout.strip()

    git("init", "-q")
    git("add", "flags.yaml")
    git("commit", "-qm", "First flags")
    burgee("apply", *on)
    origin = burgee("history", *on, "--json").json["releases"][0]["origin"]
    assert origin == {"commit": git("rev-parse", "HEAD"), "author": "Ada", "message": "First flags"}
    monkeypatch.setenv("GITHUB_SHA", "f" * 40)
    monkeypatch.setenv("GITHUB_ACTOR", "octocat")
    burgee.write(FILE.replace("25", "26"))
    burgee("apply", *on)
    origin = burgee("history", *on, "--json").json["releases"][0]["origin"]
    assert (origin["commit"], origin["author"]) == ("f" * 40 + "-dirty", "octocat")
    newest, first = burgee("history", *on).out.splitlines()
    assert " ffffffffffff-dirty octocat: " in newest
    assert f" {git('rev-parse', 'HEAD')[:12]} " in first
    assert newest.index("octocat:") == first.index("Ada:"), "columns"
    monkeypatch.setenv("CI", "true")
    burgee.write(FILE.replace("25", "27"))
    refused = burgee("apply", *on)
    assert (refused.code, "commit it" in refused.err) == (1, True)
    git("commit", "-qam", "More")
    assert burgee("apply", *on).code == 0


def test_one_store_at_a_time(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert burgee("plan", "--table", "t", "--state", "s.sqlite").code == 2
    assert burgee("plan", "--endpoint-url", "http://127.0.0.1:1").code == 2


def test_a_table_that_is_not_there_is_reported_without_a_traceback(
    burgee: Burgee, monkeypatch: pytest.MonkeyPatch
) -> None:
    burgee.write(FILE)
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    ran = burgee("history", "--table", "t", "--endpoint-url", "http://127.0.0.1:9")
    assert ran.code == 1
    assert ran.err.startswith("burgee: DynamoDB:")


@pytest.mark.parametrize("command", [["history"], ["audit"], ["audit", "--flag", "beta"]], ids=" ".join)
def test_where_there_is_nothing_yet_it_is_said(burgee: Burgee, on: list[str], command: list[str]) -> None:
    burgee.write(FILE)
    ran = burgee(*command, *on)
    assert ran.code == 0
    assert ran.out.startswith("no ")


@pytest.mark.parametrize("reason", ["", "  "])
@pytest.mark.parametrize(
    "command",
    [
        ["apply"],
        ["rollback"],
        ["promote"],
        ["kill", "beta"],
        ["unkill", "beta"],
        ["override", "set", "beta", "status=off"],
        ["override", "clear", "beta"],
        ["keys", "create", "server"],
        ["settings"],
    ],
    ids=" ".join,
)
def test_a_blank_reason_is_misuse(burgee: Burgee, on: list[str], command: list[str], reason: str) -> None:
    burgee.write(FILE)
    ran = burgee(*command, "--reason", reason, *on)
    assert ran.code == 2
    assert "a reason must not be blank" in ran.err


def test_a_change_of_a_rule_is_shown_where_it_is(burgee: Burgee, on: list[str]) -> None:
    countries = ", ".join(f"C{number}" for number in range(60))
    rule = f"{{name: EU, when: {{country: [{countries}]}}, rollout_percentage: 40}}"
    text = f"version: 1\nflags:\n  beta: {{status: on, rules: [{rule}], default: {{serve: off}}}}\n"
    burgee.write(text)
    assert burgee("apply", *on).code == 0
    burgee.write(text.replace("percentage: 40", "percentage: 50"))
    assert "  ~ beta: rules[EU].rollout_percentage: 40 -> 50\n" in burgee("plan", *on).out
    burgee("override", "set", "beta", "rollout_percentage=5", "--reason", "r", *on)
    assert "    rollout_percentage: absent -> 5\n" in burgee("audit", *on).out
    assert (
        "        rollout_percentage: 5 -> absent\n        rules[EU].rollout_percentage: 40 -> 50\n"
        in burgee("plan", *on).out
    )
