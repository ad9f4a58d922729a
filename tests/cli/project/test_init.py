"""`burgee init` writes what a repository needs, and overwrites nothing."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer.main
import yaml

from burgee.cli.app import app
from burgee.cli.project.generated import Ci, Layout, generated_files
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file

if TYPE_CHECKING:
    from support.cli import Burgee

BIN = Path(sys.executable).parent


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and ".git/" not in str(path)]
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in files}


def judged(folder: Path, *command: str) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_an_empty_folder_gets_files_that_pass_every_check(burgee: Burgee) -> None:
    done = burgee("init", "shop")
    assert done.code == 0, done.err
    folder = burgee.folder / "shop"
    written = contents(folder)
    assert set(written) >= {file.path for file in generated_files(Layout(), Ci.GITHUB)}
    for command in (["lint"], ["fmt", "--check"], ["test"]):
        assert burgee(*command, str(folder / "flags.yaml")).code == 0, command
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    judged(folder, str(BIN / "actionlint"))
    judged(folder, str(BIN / "zizmor"), "-q", "--offline", "--min-severity=medium", ".github/workflows/flags.yml")
    flags = folder / "flags.yaml"
    assert Ruleset(compile_file(flags)).evaluate("new_search", {"targetingKey": "a", "email": "a@example.com"}).value


def test_a_second_time_it_changes_nothing(burgee: Burgee) -> None:
    burgee("init")
    before = contents(burgee.folder)
    again = burgee("init")
    assert again.code == 0
    assert "written" not in again.out
    assert contents(burgee.folder) == before


def test_what_stands_is_shown_as_a_difference_and_left(burgee: Burgee) -> None:
    (burgee.folder / "infra").mkdir()
    (burgee.folder / "infra/flags.schema.json").write_text('{"title": "ours"}\n', encoding="utf-8")
    (burgee.folder / "flags.yaml").write_text("version: 1\nflags:\n  a: {status: on}\n", encoding="utf-8")
    done = burgee("init", "--no-ci")
    assert done.code == 1
    assert "infra/flags.schema.json already exists and differs; it was left unchanged" in done.err
    assert '-{"title": "ours"}' in done.err
    assert json.loads((burgee.folder / "infra/flags.schema.json").read_text(encoding="utf-8")) == {"title": "ours"}
    assert "a: {status: on}" in (burgee.folder / "flags.yaml").read_text(encoding="utf-8"), (
        "a team's flags are theirs"
    )
    assert (burgee.folder / "template.yaml").exists(), "the rest is written all the same"


def test_beside_a_stack_of_the_teams_own_ours_is_one_more(burgee: Burgee) -> None:
    theirs = "AWSTemplateFormatVersion: '2010-09-09'\nResources: {}\n"
    (burgee.folder / "template.yaml").write_text(theirs, encoding="utf-8")
    (burgee.folder / "functions").mkdir()
    (burgee.folder / "functions/requirements.txt").write_text("requests\n", encoding="utf-8")
    assert burgee("init", "--no-ci").code == 0
    assert (burgee.folder / "template.yaml").read_text(encoding="utf-8") == theirs
    assert (burgee.folder / "functions/requirements.txt").read_text(encoding="utf-8") == "requests\n"
    template = (burgee.folder / "infra/burgee.yaml").read_text(encoding="utf-8")
    assert "CodeUri: burgee/\n" in template
    assert (burgee.folder / "infra/burgee/requirements.txt").exists()
    assert burgee("init", "--no-ci").code == 0


def test_the_stack_is_the_one_that_is_tested_here(burgee: Burgee) -> None:
    burgee("init", "--no-ci")
    ours = (Path(__file__).parents[3] / "template.yaml").read_text(encoding="utf-8")
    theirs = (burgee.folder / "template.yaml").read_text(encoding="utf-8")
    added = [line for line in theirs.splitlines() if line and line not in ours.splitlines()]
    assert [line.partition(",")[0] for line in added[1:]] == ["Metadata:", *added[2:3]]
    assert added[2].startswith("  Burgee: {Version:")


def test_gitlab_gets_its_pipeline_by_its_remote_or_when_asked(burgee: Burgee) -> None:
    subprocess.run(["git", "init", "-q"], cwd=burgee.folder, check=True)
    remote = ["git", "remote", "add", "origin", "git@gitlab.example.com:shop/flags.git"]
    subprocess.run(remote, cwd=burgee.folder, check=True)
    assert burgee("init").code == 0
    pipeline = yaml.safe_load((burgee.folder / "infra/flags.gitlab-ci.yml").read_text(encoding="utf-8"))
    assert "flags:review" in pipeline
    # What is installed in a job with the role that releases is pinned, other packages too.
    lock = burgee.folder / pipeline["variables"]["BURGEE_LOCK"]
    lines = [line for line in lock.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert lines
    assert all("==" in line for line in lines), lines
    (install,) = [line for line in pipeline[".flags"]["before_script"] if "pip install" in line]
    assert '--constraint "$BURGEE_LOCK"' in install
    assert not (burgee.folder / ".github").exists()
    assert burgee("init", "--github", "--gitlab").code == 2


def test_a_skill_for_agents_names_commands_and_tools_that_are_there(burgee: Burgee) -> None:
    assert burgee("init", "--skill").code == 0
    path = burgee.folder / ".agents/skills/burgee/SKILL.md"
    text = path.read_text(encoding="utf-8")
    _, head, _ = text.split("---\n", 2)
    assert yaml.safe_load(head).keys() == {"name", "description"}
    commands = set(re.findall(r"`burgee ([a-z]+)", text))
    assert commands <= set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    tools = set(re.findall(r"`([a-z_]+)`", text)) & {"list_flags", "explain", "effect", "propose", "proposals"}
    assert len(tools) == 5
    assert "skipped" not in burgee("init", "--skill").err
    assert ".agents/skills/burgee/SKILL.md" not in burgee("init", "--no-ci").out
