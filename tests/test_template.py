"""template.yaml and what it deploys, judged by AWS's own tools."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from support_build import BIN, ROOT, build, project, python_3_13, run
from support_lambda import emulator, event, function

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.sam


def test_the_requirements_are_what_the_lock_says() -> None:
    printed = run(sys.executable, "infra/lambda_requirements.py")
    assert printed.returncode == 0, printed.stderr
    current = (ROOT / "functions/requirements.txt").read_text(encoding="utf-8")
    assert printed.stdout == current, "run `make lock`"


def test_sam_and_cfn_lint_find_nothing() -> None:
    linted = run(str(BIN / "cfn-lint"), "template.yaml", "infra/deploy-role.yaml")
    assert linted.returncode == 0, linted.stdout
    validated = run(str(BIN / "sam"), "validate", "--lint")
    assert validated.returncode == 0, validated.stdout + validated.stderr


@pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64")
def test_sam_build_makes_a_package_that_the_runtime_client_runs(tmp_path: Path) -> None:
    python = python_3_13()
    if python is None:
        pytest.skip("no Python 3.13, which is Lambda's, on this machine")
    copy = project(tmp_path)
    code = build(copy) / "EvaluateFunction"
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


@pytest.mark.parametrize("damage", ["absent", "stale"])
def test_a_build_without_its_requirements_fails(tmp_path: Path, damage: str) -> None:
    """`sam build` alone would warn, succeed, and ship nothing."""
    copy = project(tmp_path)
    requirements = copy / "functions/requirements.txt"
    if damage == "absent":
        requirements.unlink()
    else:
        requirements.write_text("mangum==0.20.0\n", encoding="utf-8")
    built = run("make", "-o", ".venv/.ready", "build", cwd=copy)
    assert built.returncode != 0
    assert "run make lock" in built.stdout
