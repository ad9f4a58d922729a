"""template.yaml and what it deploys, judged by AWS's own tools."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support_lambda import emulator, event, function

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.sam


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    clean |= {"AWS_DEFAULT_REGION": "eu-west-1", "SAM_CLI_TELEMETRY": "0", **environment}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=clean, check=False)


def python_3_13() -> str | None:
    """A Python like Lambda's, where the Makefile looks for one."""
    versions = sorted(Path.home().glob(".pyenv/versions/3.13.*/bin/python3.13"))
    return str(versions[0]) if versions else shutil.which("python3.13")


def test_the_requirements_are_what_the_lock_says() -> None:
    printed = run(sys.executable, "infra/lambda_requirements.py")
    assert printed.returncode == 0, printed.stderr
    current = (ROOT / "functions/requirements.txt").read_text(encoding="utf-8")
    assert printed.stdout == current, "run `make lock`"


def test_sam_and_cfn_lint_find_nothing() -> None:
    linted = run(str(BIN / "cfn-lint"), "template.yaml")
    assert linted.returncode == 0, linted.stdout
    validated = run(str(BIN / "sam"), "validate", "--lint")
    assert validated.returncode == 0, validated.stdout + validated.stderr


@pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64")
def test_sam_build_makes_a_package_that_the_runtime_client_runs(tmp_path: Path) -> None:
    python = python_3_13()
    if python is None:
        pytest.skip("no Python 3.13, which is Lambda's, on this machine")
    built = run("make", "build", f"BUILD={tmp_path / 'build'}", f"PYTHON_3_13={python}")
    assert built.returncode == 0, built.stdout + built.stderr
    code = tmp_path / "build" / "EvaluateFunction"
    assert list(code.glob("burgee/__pycache__/engine.*.pyc")), "a package without .pyc starts slowly"
    assert not (code / "boto3").exists()
    client = tmp_path / "client"
    target = ("--python", python, "--target", str(client))
    installed = run(str(BIN / "uv"), "pip", "install", "-q", *target, "awslambdaric")
    assert installed.returncode == 0, installed.stderr
    path = {"PYTHONPATH": f"{code}:{client}"}
    with function("evaluate.handler", code, tmp_path / "log", path, python=python) as running:
        answer = running(event("http-api-user-flag"))
    assert json.loads(answer["body"])["variant"] == "green"
