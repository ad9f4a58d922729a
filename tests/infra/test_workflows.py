"""The workflow, the action and the pipeline, judged by the tools that their users would judge them with."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.yml"))
ACTION = ROOT / "infra/github/action.yml"


def judged(*command: str) -> None:
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def strings(value: Any) -> list[str]:
    """Every text in a document."""
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


def steps(path: Path) -> list[Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    jobs = document.get("jobs", {"action": document.get("runs")})
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.skipif(not (BIN / "actionlint").exists(), reason="actionlint's wheels are for Linux")
def test_actionlint_finds_nothing() -> None:
    judged(str(BIN / "actionlint"), *(str(path) for path in WORKFLOWS))


def test_zizmor_finds_nothing() -> None:
    """Injection, unpinned actions, kept credentials, permissions too wide; below medium are matters of taste."""
    judged(
        str(BIN / "zizmor"), "-q", "--offline", "--min-severity=medium", *(str(path) for path in [*WORKFLOWS, ACTION])
    )


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflows", WORKFLOWS),
        ("github-actions", [ACTION]),
        ("gitlab-ci", [ROOT / "infra/gitlab/flags.gitlab-ci.yml"]),
    ],
)
def test_schemastores_schemas_are_met(schema: str, paths: list[Path]) -> None:
    from check_jsonschema import main as check_jsonschema
    from click.testing import CliRunner

    names = [str(path) for path in paths]
    checked = CliRunner().invoke(check_jsonschema, ["--builtin-schema", f"vendor.{schema}", *names])
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_actions_are_pinned_to_commits_and_shells_given_no_expression(path: Path) -> None:
    assert steps(path)
    for step in steps(path):
        assert re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40}", step.get("uses", "./none")), step
        assert "${{" not in step.get("run", ""), step


def test_ci_runs_openfeatures_own_scenarios_at_a_pinned_commit() -> None:
    """`BURGEE_OPENFEATURE_SPEC` names the checkout: without it the tests of the feature files are skipped."""
    found = steps(ROOT / ".github/workflows/ci.yml")
    (spec,) = [step for step in found if step.get("with", {}).get("repository") == "open-feature/spec"]
    (tests,) = [step for step in found if step.get("run") == ".ci/run"]
    assert re.fullmatch("[0-9a-f]{40}", spec["with"]["ref"])
    assert tests["env"]["BURGEE_OPENFEATURE_SPEC"] == spec["with"]["path"]
    assert found.index(spec) < found.index(tests)


def test_nothing_secret_is_stored() -> None:
    for path in WORKFLOWS:
        assert not [text for text in strings(yaml.safe_load(path.read_text(encoding="utf-8"))) if "secrets." in text]


def test_the_workflow_gives_no_more_than_each_job_needs() -> None:
    workflow = yaml.safe_load((ROOT / ".github/workflows/flags.yml").read_text(encoding="utf-8"))
    assert workflow["permissions"] == {}
    allowed = {name: job["permissions"] for name, job in workflow["jobs"].items()}
    assert allowed == {
        "review": {"contents": "read", "id-token": "write", "pull-requests": "write"},
        "release": {"contents": "read", "id-token": "write"},
        "reconcile": {"contents": "write", "id-token": "write", "pull-requests": "write", "checks": "write"},
    }
    assert "pull_request_target" not in workflow[True]  # YAML 1.1 reads the key `on` so


def test_the_workflow_says_only_what_the_action_takes() -> None:
    known = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    used = [step for step in steps(ROOT / ".github/workflows/flags.yml") if step.get("uses") == "./infra/github"]
    assert [step["with"]["command"] for step in used] == ["review", "release", "reconcile"]
    for step in used:
        assert set(step["with"]) <= set(known)
