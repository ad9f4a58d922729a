"""A copy of the project that a test may build and change."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ARCHITECTURE = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with nothing of AWS in its environment but a region and what is given."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "BURGEE_", "GITHUB_"))}
    clean |= {"AWS_DEFAULT_REGION": "eu-west-1", "SAM_CLI_TELEMETRY": "0", **environment}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=clean, check=False)


def python_3_13() -> str | None:
    """A Python like Lambda's, where the Makefile looks for one."""
    versions = sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"))
    return str(versions[0]) if versions else shutil.which("python3.13")


def project(folder: Path) -> Path:
    """What a build needs, and the virtual environment of the original."""
    copy = folder / "project"
    copy.mkdir()
    for name in ("Makefile", "flags.yaml", "pyproject.toml", "template.yaml"):
        shutil.copy2(ROOT / name, copy)
    shutil.copytree(ROOT / "infra", copy / "infra")
    shutil.copytree(
        ROOT / "functions", copy / "functions", ignore=shutil.ignore_patterns("__pycache__", "release.json")
    )
    (copy / ".venv").symlink_to(BIN.parent)
    return copy


def build(copy: Path, **variables: str) -> Path:
    """The folder that `make build` fills, for this machine."""
    # The environment is the original's, so nothing here may set it up again.
    built = run("make", "-o", ".venv/.ready", "build", f"ARCH={ARCHITECTURE}", cwd=copy, **variables)
    assert built.returncode == 0, built.stdout + built.stderr
    return copy / ".aws-sam/build"
