"""Packages the functions: `sam build`, then bytecode; the same bytes for the same commit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from burgee.errors import Refused

if TYPE_CHECKING:
    from burgee.cli.project.generated import Layout

AT_THE_DESK = ("analysis", "cli", "importers", "project")
"""Parts of the package that no function imports, and so are not deployed."""
PYTHON = "3.13"
"""Lambda's Python version, which must compile the bytecode."""


def lambda_python(named: str | None = None) -> str | None:
    """A working Python of Lambda's version: the given one, pyenv's, or the one on PATH."""
    pyenv = sorted(Path.home().glob(f".pyenv/versions/{PYTHON}.*/bin/python{PYTHON}"), reverse=True)
    candidates = [named] if named else [*map(str, pyenv), shutil.which(f"python{PYTHON}")]
    for one in candidates:
        if one is not None and _version(one) == PYTHON:
            return one
    return None


def sam() -> str | None:
    """The SAM command line beside this Python, or on PATH."""
    beside = Path(sys.executable).parent / "sam"
    return str(beside) if beside.exists() else shutil.which("sam")


def build_packages(repository: Path, layout: Layout, out: Path, architecture: str, python: str | None = None) -> None:
    """Runs `sam build` in a repository with release.json in its code folder. Raises Refused if a tool is missing."""
    found, command = lambda_python(python), sam()
    if found is None:
        said = f"{python} is not Python {PYTHON}" if python else f"there is no Python {PYTHON}, which Lambda runs"
        raise Refused("no-python", f"{said}: install it (such as `uv python install {PYTHON}`), or name it: --python")
    if command is None:
        raise Refused("no-sam", "there is no `sam`: pip install aws-sam-cli")
    if not (repository / layout.code / "requirements.txt").exists():
        # Without it `sam build` warns, succeeds, and ships no dependencies.
        raise Refused("no-requirements", f"{layout.code}/requirements.txt is missing: run `burgee init`")
    path = f"{Path(found).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "SAM_CLI_TELEMETRY": "0"}
    options = ["--template", layout.template, "--build-dir", str(out)]
    parameters = ["--parameter-overrides", f"Architecture={architecture}"]
    _run([command, "build", *options, *parameters], repository, environment)
    folder = out if out.is_absolute() else repository / out
    for package in sorted(one for one in folder.iterdir() if one.is_dir()):
        for part in AT_THE_DESK:
            shutil.rmtree(package / "burgee" / part, ignore_errors=True)
        compile_package(package, found)


def compile_package(package: Path, python: str) -> None:
    """Compiles all modules of a package to byte code that Lambda uses whatever the files' times are.

    Lambda's folder is read-only, so without it every cold start compiles them again. Paths in it are those on Lambda:
    builds in two folders are identical.
    """
    for cache in list(package.rglob("__pycache__")):
        shutil.rmtree(cache)
    command = [python, "-m", "compileall", "-q", "-p", "/var/task", "--invalidation-mode", "unchecked-hash"]
    _run([*command, "-s", str(package), str(package)], package, dict(os.environ))


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if ran.returncode != 0:
        said = (ran.stderr or ran.stdout).strip()
        raise Refused("build-failed", f"`{Path(command[0]).name} {command[1]}` failed:\n{said}")


def _version(python: str) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        ran = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    except OSError:
        return None
    return ran.stdout.strip() if ran.returncode == 0 else None
