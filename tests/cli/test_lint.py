"""`burgee lint`: findings, in every format, and what fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.cli import Burgee

FILE = """\
version: 1
flags:
  beta:
    status: on
    owner: web
    rollout_percentage: 50
    rules:
      - {name: first, when: {country: [DE, FR]}, serve: on}
      - {name: second, when: {country: DE}, serve: off}
  gamma: {status: on, owner: web, salt: beta, rollout_percentage: 20}
  sum: {status: on, default: {split: {on: 80, off: 80}}}
  old: {status: on, owner: web, expires: 2020-01-01}
"""


def test_findings_are_reported_at_their_flags(burgee: Burgee) -> None:
    burgee.write(FILE)
    ran = burgee("lint")
    assert ran.code == 0
    reported = [line.partition(": ")[0] + " " + line.split()[2] for line in ran.err.splitlines()]
    assert reported == [
        "flags.yaml:3:3 starved:",
        "flags.yaml:11:3 over-100:",
        "flags.yaml:10:3 correlated:",
        "flags.yaml:11:3 stale:",
        "flags.yaml:12:3 stale:",
    ]
    assert "flags.yaml:11:3: note stale: sum: it has no owner" in ran.err


def test_what_fails_is_said_by_the_option_or_by_the_file(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert burgee("lint", "--fail-on", "oversize").code == 0
    ran = burgee("lint", "--fail-on", "starved")
    assert (ran.code, "flags.yaml:3:3: error starved" in ran.err) == (1, True)
    burgee.write(FILE + "review: {fail_on: [correlated]}\n")
    assert burgee("lint").code == 1
    burgee.write(FILE + "review: {fail_on: [corelated]}\n")
    assert "unknown-finding: there is no finding 'corelated'" in burgee("lint").err


def test_json_has_the_example(burgee: Burgee) -> None:
    burgee.write(FILE)
    found = {one["code"]: one for one in burgee("lint", "--json").json["findings"]}
    assert found["correlated"]["flag"] == "gamma"
    user = found["correlated"]["example"]["targetingKey"]
    for flag in ("beta", "gamma"):
        assert burgee("eval", flag, "--user", user, "--json").json["value"] is True


def test_sarif_for_code_scanning(burgee: Burgee) -> None:
    burgee.write(FILE)
    (run,) = burgee("lint", "--format", "sarif").json["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert rules == sorted(rules)
    for result in run["results"]:
        assert rules[result["ruleIndex"]] == result["ruleId"]
        assert result["level"] in {"error", "warning", "note"}
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "flags.yaml"
        assert place["region"]["startLine"] >= 1


def test_sarif_names_files_by_valid_uris(burgee: Burgee) -> None:
    burgee.write(FILE, "a b/50%.yaml")
    (run,) = burgee("lint", "a b/50%.yaml", "--format", "sarif").json["runs"]
    assert {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]} == {
        "a%20b/50%25.yaml"
    }


def test_annotations_for_a_workflow(burgee: Burgee) -> None:
    burgee.write(FILE)
    lines = burgee("lint", "--format", "github").out.splitlines()
    assert lines[0].startswith("::warning file=flags.yaml,line=3,col=3,title=starved::no user can reach")
    assert any(line.startswith("::notice ") for line in lines)
    burgee.write("version: 1\nflags:\n  a: {status: maybe, salt: '100%'}\n")
    ran = burgee("lint", "--format", "github")
    assert (ran.code, ran.out.startswith("::error file=flags.yaml,line=3,col=15,title=wrong-type::")) == (1, True)


def test_a_flag_that_nobody_edited_for_long_is_stale(burgee: Burgee) -> None:
    flags = "{all: {status: on}, kill: {status: off, permanent: true}, half: {status: on, rollout_percentage: 50}}"
    burgee.write(f"version: 1\nflags: {flags}\n")
    git = ["git", "-c", "user.name=A", "-c", "user.email=a@x"]
    when = {**os.environ, "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z"}
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run([*git, *arguments], cwd=burgee.folder, check=True, env=when, capture_output=True)
    assert burgee("lint", "--at", "2026-01-20T00:00:00Z").err == ""
    ran = burgee("lint", "--at", "2026-03-01T00:00:00Z")
    assert ran.err.count("stale") == 1
    assert "all: on for everyone, for 59 days (since 2026-01-01)" in ran.err


EVERY_FORM = """
import sys
from burgee.cli import main

for form in ("text", "markdown", "json"):
    sys.argv[1:] = ["diff", "base.yaml", "--format", form, "--at", "2027-01-01"]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code
    print("\\0", end="")
"""


def test_reports_are_the_same_to_the_byte_whatever_the_hash_seed(burgee: Burgee) -> None:
    burgee.write(FILE, "base.yaml")
    burgee.write(FILE.replace("DE, FR", "DE, FR, NL, BE").replace("50", "70"))
    reported = {
        subprocess.run(
            [sys.executable, "-c", EVERY_FORM],
            cwd=burgee.folder,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    (one,) = reported
    text, markdown, as_json, _ = one.split(b"\0")
    assert text
    assert markdown
    assert json.loads(as_json)["flags"]
