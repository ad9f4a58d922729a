"""Where an import is written: one file, or one for each owner; and its report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from support.cli import Burgee


def flag(key: str, owner: str | None, variation: int = 0) -> dict[str, Any]:
    return {
        "key": key,
        "variations": [{"value": "red"}, {"value": "blue"}],
        **({"_maintainerTeam": {"key": owner}} if owner else {}),
        "environments": {"production": {"on": True, "fallthrough": {"variation": variation}}},
    }


def run(burgee: Burgee, *flags: dict[str, Any], more: tuple[str, ...] = ()) -> Any:
    burgee.write(json.dumps({"items": list(flags)}), "theirs.json")
    return burgee("import", "launchdarkly", "theirs.json", "--out", "flags.yaml", "--teams", "teams", *more)


def homes(burgee: Burgee) -> dict[str, str]:
    found = {}
    for path in (burgee.folder / "flags.yaml", *sorted((burgee.folder / "teams").glob("*.yaml"))):
        for line in path.read_text().splitlines():
            if line.startswith("  ") and line[2] not in " -#" and line.endswith(":"):
                found[line.strip(" :")] = path.name
    return found


def test_each_owners_flags_have_a_file_of_their_own_which_updates_too(burgee: Burgee) -> None:
    assert run(burgee, flag("a", "Web Team"), flag("b", "api"), flag("c", None)).code == 0
    assert homes(burgee) == {"a": "web-team.yaml", "b": "api.yaml", "c": "flags.yaml"}
    assert burgee("lint").code == 0
    again = run(
        burgee, flag("a", "Web Team", 1), flag("b", "api"), flag("c", None), flag("d", "api"), flag("e", "new")
    )
    assert again.code == 0
    assert homes(burgee) == {
        "a": "web-team.yaml",
        "b": "api.yaml",
        "c": "flags.yaml",
        "d": "api.yaml",
        "e": "new.yaml",
    }
    assert "blue" in burgee("eval", "a", "--user", "ada", "--env", "production").out
    assert burgee("fmt", "--check").code == 0


def test_a_teams_file_that_is_there_is_not_replaced(burgee: Burgee) -> None:
    (burgee.folder / "teams").mkdir()
    kept = burgee.write("flags: {}\n", "teams/api.yaml").read_text()
    ran = run(burgee, flag("b", "api"))
    assert (ran.code, ran.err) == (1, "burgee: teams/api.yaml already exists; --overwrite replaces it\n")
    assert (burgee.folder / "teams/api.yaml").read_text() == kept
    assert not (burgee.folder / "flags.yaml").exists()


def test_teams_are_below_the_file_that_includes_them(burgee: Burgee) -> None:
    burgee.write("{}", "theirs.json")
    ran = burgee("import", "launchdarkly", "theirs.json", "--out", "flags.yaml", "--teams", "../elsewhere")
    assert (ran.code, "is not below the folder of flags.yaml" in ran.err) == (1, True)


def test_the_report_names_what_was_carried_and_what_was_not(burgee: Burgee) -> None:
    bad = {**flag("bad|<b>", None), "environments": {"production": {"on": True}}}
    ran = run(burgee, flag("a", None), bad, more=("--report", "report.md", "--json"))
    assert ran.code == 1
    assert list(ran.json["flags"]) == ["a"]
    assert [one["subject"] for one in ran.json["left_out"]] == ["bad|<b>"]
    report = (burgee.folder / "report.md").read_text()
    assert report.startswith("# What the import carried\n\nFrom `theirs.json` (launchdarkly): 1 flag and 0 segments.")
    assert "| bad\\|&lt;b> | theirs.json:1 | its key is not a valid name" in report
    assert run(burgee, flag("a", None), more=("--report", "report.md")).code == 0
    burgee.write("mine", "report.md")
    ran = run(burgee, flag("a", None), more=("--report", "report.md"))
    assert (ran.code, (burgee.folder / "report.md").read_text()) == (1, "mine")
