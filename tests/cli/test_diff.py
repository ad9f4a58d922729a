"""`burgee diff` between files and Git revisions, as text, as a comment and as JSON."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from burgee.cli.render.diff_markdown import markdown
from burgee.cli.render.diff_report import Comparison, DiffReport
from burgee.diff.effect import effects
from burgee.review.change_findings import ReviewedChange, proofs
from burgee.review.file_findings import size

if TYPE_CHECKING:
    from support.cli import Burgee

ROOT = Path(__file__).parents[2]
BASE = """\
version: 1
include: [teams/*.yaml]
environments: [production]
flags:
  beta: {status: on, rollout_percentage: 5, environments: {production: {rollout_percentage: 1}}}
  button:
    status: on
    variants: {blue: 1, green: 2}
    off_variant: blue
    rules: [{name: staff, when: {staff: true}, serve: green}]
    default: {serve: blue}
"""
TEAM = "version: 1\nflags:\n  team: {status: on}\n"


@pytest.fixture
def repository(burgee: Burgee) -> Burgee:
    burgee.write(BASE)
    burgee.write(TEAM, "teams/a.yaml")
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=A", "-c", "user.email=a@x", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *arguments], cwd=burgee.folder, check=True, capture_output=True)
    return burgee


def test_nothing_changed(repository: Burgee) -> None:
    ran = repository("diff", "HEAD")
    assert (ran.code, ran.out) == (0, "nobody sees a change\n")


def test_a_raise_takes_one_line(repository: Burgee) -> None:
    repository.write(BASE.replace("percentage: 5,", "percentage: 10,"))
    ran = repository("diff", "HEAD", "--fail-on-loss", "--fail-on", "all,lowered")
    assert ran.code == 0
    assert ran.out.startswith(
        "Without an environment:\nbeta: nobody loses it\n  all users: 5 % off -> on  (such as user-"
    )
    assert "nobody sees" in repository("diff", "HEAD", "--env", "production").out


def test_an_included_file_of_the_revision_counts(repository: Burgee) -> None:
    repository.write(TEAM.replace("status: on", "status: off"), "teams/a.yaml")
    assert "team: some users lose it\n  all users: 100 % on -> off" in repository("diff", "HEAD").out


def test_a_loss_may_fail_the_command(repository: Burgee) -> None:
    repository.write(BASE.replace("serve: green}]", "serve: blue}]"))
    ran = repository("diff", "HEAD", "--fail-on-loss")
    assert ran.code == 1
    assert 'users matching "staff" (staff = true): 100 % green -> blue  (such as user-0, staff = true)' in ran.out
    assert repository("diff", "HEAD", "--fail-on", "lowered").code == 1
    assert repository("diff", "HEAD", "--fail-on", "withdrawn").code == 0
    assert repository("diff", "HEAD", "--fail-on", "lowerd").code == 2


def test_the_file_says_what_blocks(repository: Burgee) -> None:
    repository.write(BASE.replace("percentage: 5,", "percentage: 3,") + "review: {fail_on: [lowered]}\n")
    assert repository("diff", "HEAD").code == 1
    assert repository("diff", "HEAD", "--fail-on", "withdrawn").code == 0


def test_json_for_scripts(repository: Burgee) -> None:
    repository.write(BASE.replace("percentage: 1}", "percentage: 6}"))
    (flag,) = repository("diff", "HEAD", "--format", "json", "--env", "production").json["flags"]
    assert (flag["name"], flag["exact"]) == ("beta", True)
    ((move,),) = [region["moves"] for region in flag["regions"]]
    assert (move["from"], move["to"], move["percent"], move["loses"], move["kind"]) == (
        "off",
        "on",
        5.0,
        False,
        "gain",
    )


def test_json_keeps_to_its_schema(repository: Burgee) -> None:
    schema = json.loads((ROOT / "infra/diff.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    repository.write('{"targetingKey": "ada", "staff": true}\n', "contexts.jsonl")
    repository.write(
        BASE.replace("serve: green}]", "serve: blue}]").replace(
            "5,", "{from: 5, to: 9, start: 2099-01-01, end: 2099-01-02},"
        )
    )
    validator = Draft202012Validator(schema)
    for more in ([], ["--contexts", "contexts.jsonl"]):
        answer = repository("diff", "HEAD", "--format", "json", *more).json
        validator.validate(answer)
        production, without = answer["environments"]
        assert [one["environment_names"] for one in (production, without)] == [["production"], []]
        assert {one["code"] for one in without["findings"]} == {"lowered", "time-bomb"}
        alone = repository("diff", "HEAD", "--format", "json", "--env", "production", *more).json
        validator.validate(alone)
        assert alone == {"format": 1, **production}
        assert not validator.is_valid({**alone, "environments": []})
        assert not validator.is_valid({**alone, "unknown": 1})


def test_json_has_every_step_of_a_guard(repository: Burgee) -> None:
    validator = Draft202012Validator(json.loads((ROOT / "infra/diff.schema.json").read_text(encoding="utf-8")))
    guard = "rules: [{name: EU, when: {country: DE}, rollout_percentage: 0, salt: eu, guard: GUARD}]"
    written = guard.replace("GUARD", "{steps: [1, 100], hold: 6h, alarms: [errors], approve: [100]}")
    plain = (
        f"version: 1\nflags: {{f: {{status: on, {guard.replace(', guard: GUARD', '')}, rollout_percentage: 0}}}}\n"
    )
    repository.write(plain, "base.yaml")
    repository.write(plain.replace(guard.replace(", guard: GUARD", ""), written))
    answer = repository("diff", "base.yaml", "--format", "json", "--at", "2027-01-01").json
    validator.validate(answer)
    ((effect,),) = [flag["guards"] for flag in answer["flags"]]
    plan = {key: effect[key] for key in ("flag", "rule", "at", "begins", "hold_seconds", "minimum")}
    assert plan == {
        "flag": "f",
        "rule": "EU",
        "at": "2027-01-01T00:00:00Z",
        "begins": 0,
        "hold_seconds": 21_600,
        "minimum": 500,
    }
    steps = [
        (step["share"], step["approve"], [move["percent"] for region in step[side] for move in region["moves"]])
        for side in ("regions", "back")
        for step in effect["steps"]
    ]
    assert steps == [(1, False, [1]), (100, True, [99]), (1, False, [1]), (100, True, [100])]


def test_every_form_says_that_an_edit_ends_a_guard(repository: Burgee) -> None:
    validator = Draft202012Validator(json.loads((ROOT / "infra/diff.schema.json").read_text(encoding="utf-8")))
    guard = "guard: {steps: [10, 100], hold: 6h, alarms: [errors]}"
    text = "version: 1\nflags: {f: {status: on, rollout_percentage: 1, description: DESCRIPTION, GUARD}}\n"
    repository.write(text.replace("GUARD", guard), "base.yaml")
    repository.write(text.replace("GUARD", guard).replace("DESCRIPTION", "another"))
    ends = "if the guard of f runs when this is released, this change ends it at the share that it has reached"
    assert f"note guard-ended: {ends}" in repository("diff", "base.yaml").out
    assert f"note **guard-ended** `f`: {ends}" in repository("diff", "base.yaml", "--format", "markdown").out
    answer = repository("diff", "base.yaml", "--format", "json").json
    validator.validate(answer)
    assert [(one["code"], one["flag"]) for one in answer["findings"]] == [("guard-ended", "f")]
    assert repository("diff", "base.yaml", "--fail-on", "guard-ended").code == 1
    repository.write(text.replace("GUARD", guard))
    assert repository("diff", "base.yaml").out.strip() == "nobody sees a change"


def test_the_comment_is_the_same_every_time_and_says_first_what_matters(repository: Burgee) -> None:
    repository.write(BASE.replace("serve: green}]", "serve: blue}]").replace("percentage: 5,", "percentage: 9,"))
    comment = repository("diff", "HEAD", "--format", "markdown").out
    assert comment == repository("diff", "HEAD", "--format", "markdown").out
    production, without = comment.split("## Without an environment\n\n")
    assert production.startswith("## `production`\n\n### 1 flag changes what users see\n\n")
    assert without.startswith("### 2 flags change what users see\n\n⚠️ Some users **lose** something in `button` (")
    assert "| gains | `beta` | all users | 5 % → 9 % | off → on | now |" in without
    assert "| gains | all users | 5 % → 9 % | off → on | now | `user-" in without


def test_a_comment_notifies_nobody_named_in_a_file(repository: Burgee) -> None:
    who = "Of @acme/everyone, closes #12"
    button = BASE.replace("name: staff,", f'name: "{who}",').replace("serve: green}]", "serve: blue}]")
    repository.write(button)
    reported = repository("diff", "HEAD", "--format", "markdown").out
    assert "Of @\u200bacme/everyone, closes #\u200b12" in reported
    assert "@acme" not in reported.replace(f"`{who}`", "")


def test_directories_releases_and_what_is_live_can_be_compared(repository: Burgee) -> None:
    assert "beta: nobody loses it" in repository("diff", "live:production").out
    assert repository("apply", "--env", "production").code == 0
    assert repository("diff", "live:production").out == "nobody sees a change\n"
    repository("override", "set", "beta", "status=off", "--reason", "x", "--env", "production")
    assert "all users: 1 % off -> on" in repository("diff", "live:production").out
    assert repository("diff", "release:1", "--env", "production").out == "nobody sees a change\n"
    assert repository("diff", "release:7", "--env", "production").code == 1
    repository.write(BASE.replace("percentage: 5,", "percentage: 7,"), "other/flags.yaml")
    repository.write(TEAM, "other/teams/a.yaml")
    assert "all users: 2 % off -> on" in repository("diff", ".", "other").out
    repository("bundle", "release.json")
    assert repository("diff", "release.json", ".").out == "nobody sees a change\n"


def test_a_canary_is_named_because_others_have_the_release_before(repository: Burgee) -> None:
    live = ("diff", "live:production", "--at", "2027-01-01T00:00:00Z")
    assert repository("apply", "--env", "production").code == 0
    repository.write(BASE.replace("percentage: 1}", "percentage: 3}"))
    assert repository("apply", "--env", "production", "--canary", "10", "--bake", "1h").code == 0
    ran = repository(*live, "--fail-on", "on-trial", "--format", "json")
    assert (ran.code, ran.json["flags"]) == (1, [])
    (found,) = ran.json["findings"]
    assert (found["code"], found["details"]) == ("on-trial", ["`release:1` compares with what they have"])
    assert found["message"].startswith("release 2 is a canary for 10 % of users until ")
    for form in ("markdown", "text"):
        assert "release 2 is a canary for 10 % of users" in repository(*live, "--format", form).out
    assert "2 % off -> on" in repository("diff", "release:1", "--env", "production").out
    assert repository("promote", "--env", "production").code == 0
    assert repository(*live).out == "nobody sees a change\n"


def test_a_name_of_the_past_is_known_from_git_and_from_the_store(repository: Burgee) -> None:
    def commit() -> None:
        who = ["-c", "user.name=A", "-c", "user.email=a@x"]
        subprocess.run(["git", *who, "commit", "-qam", "x"], cwd=repository.folder, check=True, capture_output=True)

    assert repository("apply", "--env", "default").code == 0
    repository.write(TEAM.replace("  team: {status: on}", "  staff: {status: on}"), "teams/a.yaml")
    commit()
    assert repository("apply", "--env", "default").code == 0
    repository.write(TEAM, "teams/a.yaml")
    for base in ("HEAD", "live:"):
        ran = repository("diff", base, "--fail-on", "retired-name-reused")
        assert (ran.code, "error retired-name-reused: team is the name" in ran.out) == (1, True), ran.out


def test_what_still_needs_a_flag_that_goes_is_an_orphan(repository: Burgee) -> None:
    needing = BASE.replace(
        "    off_variant: blue\n", "    off_variant: blue\n    requires: [{flag: beta, variant: on}]\n"
    )
    repository.write(needing)
    gone = "\n".join(line for line in needing.splitlines() if not line.startswith("  beta")) + "\n"
    repository.write(gone, "gone/flags.yaml")
    repository.write(TEAM, "gone/teams/a.yaml")
    ran = repository("diff", ".", "gone")
    assert ran.code == 1
    assert "error orphaned: button still needs flag beta, which is removed" in ran.out
    assert "lost" not in ran.err


def test_contexts_are_counted_from_lines_and_from_parquet(repository: Burgee) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    pyarrow = pytest.importorskip("pyarrow")
    rows = [{"targetingKey": f"u{n}", "staff": n % 4 == 0} for n in range(1000)]
    repository.write("\n".join(map(json.dumps, rows)) + "\n", "plain.jsonl")
    exposures = [{"unit": row["targetingKey"], "flag": "button", "context": {"staff": row["staff"]}} for row in rows]
    repository.write("".join(json.dumps(row) + "\n" for row in exposures), "exposures.jsonl")
    parquet.write_table(pyarrow.Table.from_pylist(rows), repository.folder / "plain.parquet")
    parquet.write_table(pyarrow.Table.from_pylist(exposures), repository.folder / "exposures.parquet")
    repository.write(BASE.replace("serve: green}]", "serve: blue}]"))
    for name in ("plain.jsonl", "exposures.jsonl", "plain.parquet", "exposures.parquet"):
        ran = repository("diff", "HEAD", "--contexts", name)
        assert "button: some users lose it; 250 of 1,000 contexts change" in ran.out, name
    reported = repository("diff", "HEAD", "--contexts", "plain.jsonl", "--format", "json").json
    assert reported["flags"][0]["regions"][0]["share"] == 25.0


@pytest.mark.parametrize(("line", "why"), [("{", "not JSON"), ("[1]", "an object"), ("1,2", "not JSON")])
def test_a_broken_context_is_reported_with_its_line(repository: Burgee, line: str, why: str) -> None:
    repository.write(BASE.replace("percentage: 5,", "percentage: 7,"))
    repository.write('{"targetingKey": "a"}\n' + line + "\n", "contexts.jsonl")
    ran = repository("diff", "HEAD", "--contexts", "contexts.jsonl")
    assert ran.code == 1
    assert "contexts.jsonl:2: " in ran.err
    assert why in ran.err


def report(before: Any, after: Any) -> Comparison:
    found = effects(before, after, 0)
    change = ReviewedChange(before, after, found, 0)
    return Comparison([DiffReport(found, proofs(change), (size(before), size(after)), change.renames)])


def test_a_huge_change_fits_into_a_comment() -> None:
    def snapshot(status: bool) -> dict[str, object]:
        return {"flags": {f"flag_{n}_{'ü' * 100}": {"status": status} for n in range(1000)}}

    for before, after in ((False, True), (True, False)):
        reported = markdown(report(snapshot(before), snapshot(after)))
        assert len(reported.encode()) < 65_536
        assert "more of 1,000 flags" in reported


def test_names_cannot_break_out_of_the_comment() -> None:
    rules = [{"name": "a|b</summary>`<script>", "when": {"x": 1}, "serve": "off"}]
    before, after = ({"flags": {"f": {"status": True, "rules": r}}} for r in ([], rules))
    reported = markdown(report(before, after))
    assert "<script>" not in reported
    assert "a\\|b" in reported


@pytest.mark.parametrize("wrong", [["nonsense"], ["--output=x"], ["HEAD", "nonsense"]])
def test_what_is_neither_file_nor_revision_is_reported(repository: Burgee, wrong: list[str]) -> None:
    assert repository("diff", *wrong).code in {1, 2}


def test_a_broken_head_is_reported_with_its_place(repository: Burgee) -> None:
    repository.write(BASE.replace("status: on", "status: maybe", 1))
    ran = repository("diff", "HEAD")
    assert ran.code == 1
    assert "flags.yaml:5:18: error wrong-type" in ran.err


ENVIRONMENTS = """\
version: 1
environments: [development, staging, production]
flags:
  a: {status: on, rollout_percentage: 100, environments: {production: {rollout_percentage: 50}}}
"""


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@x"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def environments(burgee: Burgee) -> Burgee:
    burgee.write(ENVIRONMENTS)
    git(burgee.folder, "init", "-q", "-b", "main")
    git(burgee.folder, "add", ".")
    git(burgee.folder, "commit", "-qm", "x")
    return burgee


def test_all_environments_are_compared_and_alike_ones_shown_together(environments: Burgee) -> None:
    environments.write(ENVIRONMENTS.replace("percentage: 50", "percentage: 5"))
    ran = environments("diff", "main", "--fail-on-loss")
    assert ran.code == 1
    assert ran.out.startswith("In production:\na: some users lose it\n  all users: 45 % on -> off  (such as user-")
    assert ran.out.endswith("In development, staging:\nnobody sees a change\n")
    comment = environments("diff", "main", "--format", "markdown").out
    assert comment.startswith("## `production`\n\n### 1 flag changes what users see\n\n⚠️ Some users **lose**")
    assert "## `development`, `staging`\n\n**Nobody sees a change.**" in comment
    environments.write(ENVIRONMENTS.replace("100", "10").replace("percentage: 50", "percentage: 5"))
    both = environments("diff", "main", "--env", "staging", "--env", "production", "--format", "markdown").out
    assert [line for line in both.splitlines() if line.startswith("#")] == [
        "## `staging`",
        "### 1 flag changes what users see",
        "## `production`",
        "### 1 flag changes what users see",
    ]
    assert environments("diff", "main", "--env", "nowhere").code == 1
    environments.write(ENVIRONMENTS.replace("status: on", "status: off"))
    comment = environments("diff", "main", "--format", "markdown").out
    assert "## `development`, `staging`" in comment
    environments.write(ENVIRONMENTS.replace("environments: {production: {rollout_percentage: 50}}", "tags: [x]"))
    assert "nobody sees" in environments("diff", "main", "--env", "staging").out


def test_an_environment_that_only_one_side_has_is_all_new_or_all_gone(environments: Burgee) -> None:
    environments.write(ENVIRONMENTS.replace("[development, ", "[preview, development, "))
    assert environments("diff", "main").out == (
        "In preview:\na: nobody loses it\n  all users: 100 % flag not found -> on  (such as user-0)\n"
        "In development, staging, production:\nnobody sees a change\n"
    )
    environments.write(ENVIRONMENTS.replace("[development, ", "["))
    assert "In development:\na: some users lose it" in environments("diff", "main").out


@pytest.mark.parametrize("place", ["flags.yaml", "new/flags.yaml"])
@pytest.mark.parametrize("main", ["empty", "other"])
def test_where_main_has_no_flag_file_every_flag_is_new(burgee: Burgee, place: str, main: str) -> None:
    git(burgee.folder, "init", "-q", "-b", "main")
    if main == "other":
        burgee.write("x", "other.txt")
        git(burgee.folder, "add", ".")
    git(burgee.folder, "commit", "-qm", "x", "--allow-empty")
    burgee.write("version: 1\nflags: {a: {status: on}}\n", place)
    ran = burgee("diff", "main", "--flags", place)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"{place} is not in main: every flag is new.\na: nobody loses it\n")
    assert "100 % flag not found -> on" in ran.out
    assert burgee("diff", "nonsense", "--flags", place).code == 1
    assert burgee("diff", "main", "main", "--flags", place).code == 1


def test_a_file_that_is_gone_takes_every_flag(environments: Burgee) -> None:
    (environments.folder / "flags.yaml").unlink()
    ran = environments("diff", "main", "--fail-on-loss")
    assert ran.code == 1
    assert ran.out.startswith("flags.yaml is not in the working tree: every flag is removed.\n")
    assert "a: some users lose it" in ran.out


def test_a_rename_is_called_one(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags: {a: {status: on, rollout_percentage: 50}, c: {status: on}}\n", "one.yaml")
    kept = "version: 1\nflags: {b: {status: on, salt: a, rollout_percentage: 50}, c: {status: on}}\n"
    burgee.write(kept, "two.yaml")
    out = burgee("diff", "one.yaml", "two.yaml").out
    assert "a: renamed to b; some users lose it where code still uses a\n" in out
    assert "b: a under a new name; all users keep what they have\n" in out
    burgee.write(kept.replace("salt: a, ", ""), "two.yaml")
    out = burgee("diff", "one.yaml", "two.yaml").out
    assert "b: a under a new name; its users are reassigned\n" in out
    assert "25 % on -> off" in out


def test_three_hundred_renames_each_go_on_from_their_own(burgee: Burgee) -> None:
    for letter in "fg":
        flags = "".join(f"  {letter}{n}: {{status: on, rollout_percentage: 50}}\n" for n in range(300))
        burgee.write(f"version: 1\nflags:\n{flags}", f"{letter}.yaml")
    out = burgee("diff", "f.yaml", "g.yaml").out
    assert all(f"f{n}: renamed to g{n};" in out and f"f{n} goes on as g{n}," in out for n in range(300))


def test_the_first_screen_always_fits() -> None:
    """45 flags with 12 steps each, and long names: title, warning and findings are there, in every environment."""
    steps = [{"at": f"2099-{month:02}-01T00:00:00Z", "set": {"rollout_percentage": month}} for month in range(1, 13)]
    flags = {f"flag_{n}_{'x' * 240}": {"status": True, "rollout_percentage": 50} for n in range(45)}
    changed = {name: {**flag, "rollout_percentage": 40, "schedule": steps} for name, flag in flags.items()}
    (whole,) = report({"flags": flags}, {"flags": changed}).reports
    for number in (1, 2, 12, 40):
        names = [f"e{n}_{'y' * 100}" for n in range(number)]
        comment = markdown(Comparison([replace(whole, environments=(name,)) for name in names]))
        assert len(comment.encode()) <= 65_536
        screens = comment.split("\n### ")[1:]
        assert len(screens) == number
        for screen in screens:
            assert screen.startswith("45 flags change what users see\n\n⚠️ Some users **lose** something in `flag_0_x")
            assert "finding" in screen
            assert screen.count("<details>") == screen.count("</details>")
    assert "more groups of environments" in markdown(Comparison([whole] * 200))


def test_a_budget_ends_in_a_stated_answer_that_does_not_pass(burgee: Burgee) -> None:
    rules = [{"when": {f"a{n}": 1}, "rollout_percentage": n + 10} for n in range(20)]
    flag = {"status": True, "rules": rules, "default": {"serve": "off"}}
    burgee.write(json.dumps({"version": 1, "flags": {"f": flag}}), "old.yaml")
    burgee.write(json.dumps({"version": 1, "flags": {"f": {**flag, "salt": "new"}}}), "new.yaml")
    ran = burgee("diff", "old.yaml", "new.yaml", "--budget", "0.1", "--fail-on-loss")
    assert ran.code == 1
    assert "the time for comparing was over, so 100 were drawn by chance" in ran.out


def test_losses_without_an_example_are_named(burgee: Burgee) -> None:
    """There are too few such users to find one of them."""
    share = {"status": True, "rollout_percentage": 0.001}
    needing = {**share, "requires": [{"flag": "rare", "variant": "on"}]}
    flags = {"rare": share, "needing": needing}
    burgee.write(json.dumps({"version": 1, "flags": flags}), "old.yaml")
    burgee.write(json.dumps({"version": 1, "flags": {**flags, "needing": {**needing, "status": False}}}), "new.yaml")
    ran = burgee("diff", "old.yaml", "new.yaml", "--fail-on-loss")
    assert ran.code == 1
    why = "needing: a loss without an example, no user was found who does"
    assert ran.err.splitlines() == [f"{why}: all users: 1 in 10,000,000,000 on -> off"]
    assert burgee("diff", "old.yaml", "new.yaml").err == ""
