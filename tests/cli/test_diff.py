"""`burgee diff` between files and Git revisions, as text, as a comment and as JSON."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from burgee.cli.app_diff import COMMENT_LIMIT, markdown
from burgee.effect import effects

if TYPE_CHECKING:
    from support_cli import Burgee

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


def test_a_raise_is_told_in_one_line(repository: Burgee) -> None:
    repository.write(BASE.replace("percentage: 5,", "percentage: 10,"))
    ran = repository("diff", "HEAD", "--fail-on-loss")
    assert ran.code == 0
    assert ran.out.startswith(
        "beta: nobody loses it\n  users whom no rule matches: 5.000 % off -> on  (such as user-"
    )
    assert "nobody sees" in repository("diff", "HEAD", "--env", "production").out


def test_an_included_file_of_the_revision_counts(repository: Burgee) -> None:
    repository.write(TEAM.replace("status: on", "status: off"), "teams/a.yaml")
    assert (
        "team: somebody loses it\n  users whom no rule matches: 100.000 % on -> off" in repository("diff", "HEAD").out
    )


def test_a_loss_may_fail_the_command(repository: Burgee) -> None:
    repository.write(BASE.replace("serve: green}]", "serve: blue}]"))
    ran = repository("diff", "HEAD", "--fail-on-loss")
    assert ran.code == 1
    assert 'users matching "staff": 100.000 % green -> blue  (such as staff = True, user-0)' in ran.out


def test_json_for_scripts(repository: Burgee) -> None:
    repository.write(BASE.replace("percentage: 5,", "percentage: 10,"))
    (flag,) = repository("diff", "HEAD", "--format", "json").json["flags"]
    assert (flag["name"], flag["unknown"]) == ("beta", None)
    ((move,),) = [region["moves"] for region in flag["regions"]]
    assert (move["from"], move["to"], move["percent"], move["loses"]) == ("off", "on", 5.0, False)


def test_the_comment_is_the_same_every_time_and_says_first_what_matters(repository: Burgee) -> None:
    repository.write(BASE.replace("serve: green}]", "serve: blue}]").replace("percentage: 5,", "percentage: 9,"))
    told = repository("diff", "HEAD", "--format", "markdown").out
    assert told == repository("diff", "HEAD", "--format", "markdown").out
    assert told.startswith("### 2 flags change what users see\n\n⚠️ Somebody **loses** something in `button`.\n")
    assert "| users whom no rule matches | 4.000 % | off -&gt; on | user-" in told


def test_a_huge_change_fits_into_a_comment() -> None:
    def snapshot(status: bool) -> dict[str, object]:
        return {"flags": {f"flag_{n}_{'x' * 100}": {"status": status} for n in range(1000)}}

    told = markdown(effects(snapshot(False), snapshot(True), 0))
    assert len(told) < COMMENT_LIMIT + 200
    assert "more flags" in told


def test_names_cannot_break_out_of_the_comment() -> None:
    rules = [{"name": "a|b</summary>`<script>", "when": {"x": 1}, "serve": "off"}]
    before, after = ({"flags": {"f": {"status": True, "rules": r}}} for r in ([], rules))
    told = markdown(effects(before, after, 0))
    assert "<script>" not in told
    assert "a\\|b" in told


@pytest.mark.parametrize("wrong", [["nonsense"], ["--output=x"], ["HEAD", "nonsense"]])
def test_what_is_neither_file_nor_revision_is_told(repository: Burgee, wrong: list[str]) -> None:
    assert repository("diff", *wrong).code in {1, 2}


def test_a_broken_head_is_told_with_its_place(repository: Burgee) -> None:
    repository.write(BASE.replace("status: on", "status: maybe", 1))
    ran = repository("diff", "HEAD")
    assert ran.code == 1
    assert "flags.yaml:5:18: error wrong-type" in ran.err
