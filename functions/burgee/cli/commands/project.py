"""The commands of a team's own repository: init, upgrade, build, doctor, and what its CI runs."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.options import FLAGS, Environment, File, Json
from burgee.cli.project.generated import Ci
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, on_store

if TYPE_CHECKING:
    from burgee.cli.project.writing import WrittenFile

Folder = Annotated[
    Path, typer.Argument(metavar="[DIR]", file_okay=False, help="The repository; default this folder.")
]


class Architecture(StrEnum):
    """What the packages are built for."""

    ARM64 = "arm64"
    X86_64 = "x86_64"


class Stage(StrEnum):
    """What CI runs."""

    REVIEW = "review"
    RELEASE = "release"
    RECONCILE = "reconcile"


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (init, upgrade, build, doctor):
        app.command()(command)
    app.command(hidden=True)(ci)


def init(
    folder: Folder = Path(),
    github: Annotated[
        bool, typer.Option("--github", help="Write GitHub's workflow, whatever the remote is.")
    ] = False,
    gitlab: Annotated[
        bool, typer.Option("--gitlab", help="Write GitLab's pipeline, whatever the remote is.")
    ] = False,
    no_ci: Annotated[bool, typer.Option("--no-ci", help="Write neither.")] = False,
    skill: Annotated[bool, typer.Option("--skill", help="Also write a skill for coding agents.")] = False,
) -> None:
    """Write the files a repository needs to serve, review and deploy flags. Existing files are not overwritten."""
    from burgee.cli.project.generated import Layout, generated_files, skill_file
    from burgee.cli.project.writing import Fate, write_new

    if github + gitlab + no_ci > 1:
        raise typer.BadParameter("give one of --github, --gitlab, --no-ci")
    chosen = Ci.GITHUB if github else Ci.GITLAB if gitlab else Ci.NONE if no_ci else _ci_of(folder)
    folder.mkdir(parents=True, exist_ok=True)
    files = generated_files(Layout.of(folder), chosen)
    done = write_new(folder, [*files, skill_file()] if skill else files)
    for one in done:
        output.say(f"{one.fate:8} {one.file.path:34} {one.file.purpose}")
    _say_differences([one for one in done if one.fate is Fate.DIFFERS])
    if not any(one.fate is Fate.DIFFERS for one in done):
        output.say("Next: `burgee serve --env staging`, then edit flags.yaml. `burgee build` packages it for AWS.")


def upgrade(
    folder: Folder = Path(),
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit with 1 if anything would change.")
    ] = False,
) -> None:
    """Update generated files to this version, keeping your edits. Exits with 1 if both changed the same lines."""
    from burgee.cli.project.generated import Layout, generated_files
    from burgee.cli.project.writing import Fate, merge_newer

    done = merge_newer(folder, generated_files(Layout.of(folder), _ci_of(folder)), check=check)
    for one in done:
        if one.fate is Fate.MERGED:
            output.say(one.diff.rstrip("\n"))
    for one in done:
        output.say(f"{one.fate:8} {one.file.path}")
    for one in done:
        if one.fate is Fate.CONFLICT:
            where = "" if check else f"; the merge is in {one.file.path}.conflict"
            output.tell(f"{one.file.path}: you and this version changed the same lines{where}", typer.colors.RED)
    _say_differences([one for one in done if one.fate is Fate.DIFFERS])
    changes = any(one.fate is not Fate.KEPT for one in done)
    raise typer.Exit(int(any(one.fate is Fate.CONFLICT for one in done) or (check and changes)))


def build(
    flags: File = Path(FLAGS),
    env: Environment = None,
    arch: Annotated[Architecture, typer.Option(help="Deploy with the same Architecture.")] = Architecture.ARM64,
    out: Annotated[Path, typer.Option(metavar="DIR", file_okay=False, help="StoreOptions.")] = Path(".aws-sam/build"),
    python: Annotated[str | None, typer.Option(metavar="PATH", help="A Python like Lambda's.")] = None,
) -> None:
    """Compile the flag file and package the functions with `sam build`; `sam deploy` takes it from there."""
    from burgee.cli.git.origin import origin
    from burgee.cli.project.building import build_packages
    from burgee.cli.project.generated import Layout
    from burgee.cli.source import releasable
    from burgee.files import write_file
    from burgee.serving.bundle import Bundle, dump_bundle

    repository = flags.resolve().parent
    layout = Layout.of(repository)
    source, snapshot = releasable(flags, env)
    release = repository / layout.code / "release.json"
    release.parent.mkdir(parents=True, exist_ok=True)
    write_file(release, dump_bundle(Bundle(snapshot, origin(repository, source.digests))))
    build_packages(repository, layout, out, arch.value, python)
    named = f" for {env}" if env else ""
    output.say(f"Built {out}: {output.counted(len(snapshot['flags']), 'flag')}{named}, {arch.value}")


@on_store
def doctor(where: StoreOptions, json: Json = False) -> None:
    """Check this repository and machine and, with --table, the deployed stack; print a fix for each problem."""
    from burgee.cli.project.doctor import Level, examine

    checks = examine(where)
    if json:
        output.as_json(
            [{"check": one.name, "level": one.level, "says": one.says, "cure": one.cure} for one in checks]
        )
    else:
        for one in checks:
            output.say(f"{one.level:8} {one.name}: {one.says}")
            if one.cure:
                output.say(f"         -> {one.cure}")
    raise typer.Exit(int(any(one.level is Level.PROBLEM for one in checks)))


def ci(
    stage: Annotated[
        Stage,
        typer.Argument(help="`review` on a pull request, `release` after the merge, `reconcile` on a schedule."),
    ],
) -> None:
    """Run what the action runs, in a workflow that `burgee init` wrote."""
    from burgee.cli.project.resources import root

    environment = {**os.environ, "INPUT_COMMAND": stage.value}
    action = root() / "infra/github/action.py"
    ran = subprocess.run([sys.executable, str(action)], env=environment, check=False)  # noqa: S603 - our own file
    raise typer.Exit(ran.returncode)


def _ci_of(folder: Path) -> Ci:
    """The Git host according to a repository's files and remote; GitHub by default."""
    from burgee.cli.git.run import git_output

    if (folder / ".gitlab-ci.yml").exists():
        return Ci.GITLAB
    if (folder / ".github").exists() or not folder.exists():
        return Ci.GITHUB
    return Ci.GITLAB if "gitlab" in git_output(folder, "remote", "get-url", "origin") else Ci.GITHUB


def _say_differences(done: list[WrittenFile]) -> None:
    for one in done:
        output.tell(f"\n{one.file.path} already exists and differs; it was left unchanged:", typer.colors.YELLOW)
        output.tell(one.diff.rstrip("\n"))
    if done:
        raise typer.Exit(1)
