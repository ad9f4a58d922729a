"""`burgee doctor` names what is broken, and its cure."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from burgee.cli.project import building, doctor
from burgee.stores.dynamodb import DynamoDbStore
from burgee.version import __version__
from support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cli import Burgee


@pytest.fixture
def repository(burgee: Burgee) -> Path:
    assert burgee("init", "--no-ci").code == 0
    return burgee.folder


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A table in moto, with credentials and a region."""
    from moto import mock_aws

    for name, value in {**CREDENTIALS, "AWS_DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        yield "flags"


def checks(burgee: Burgee, *arguments: str) -> dict[str, dict[str, Any]]:
    found = json.loads(burgee("doctor", "--json", *arguments).out)
    return {one["check"]: one for one in found if one["level"] != "ok"}


@pytest.mark.usefixtures("repository")
def test_a_new_repository_is_in_order(burgee: Burgee) -> None:
    assert not {name: one for name, one in checks(burgee).items() if one["level"] == "problem"}


def test_no_flag_file(burgee: Burgee, repository: Path) -> None:
    (repository / "flags.yaml").unlink()
    assert checks(burgee)["flag file"]["cure"] == "run `burgee init`, or name it: --flags"


def test_a_broken_flag_file(burgee: Burgee, repository: Path) -> None:
    (repository / "flags.yaml").write_text("version: 1\nflags:\n  a: {statsu: on}\n", encoding="utf-8")
    found = checks(burgee)["flag file"]
    assert (found["level"], "flags.yaml:3:" in found["says"]) == ("problem", True)


@pytest.mark.usefixtures("repository")
def test_an_environment_that_the_file_does_not_have(burgee: Burgee) -> None:
    assert "--env" in checks(burgee, "--env", "prod")["flag file"]["cure"]


def test_no_template(burgee: Burgee, repository: Path) -> None:
    (repository / "template.yaml").unlink()
    assert checks(burgee)["template"]["says"] == "there is no template.yaml"


def test_requirements_that_are_missing_or_of_another_version(burgee: Burgee, repository: Path) -> None:
    path = repository / "functions/requirements.txt"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"burgee-core=={__version__}", "burgee-core==0.9"), encoding="utf-8")
    assert "would run 0.9" in checks(burgee)["requirements"]["says"]
    path.write_text("", encoding="utf-8")
    assert checks(burgee)["requirements"]["level"] == "problem"
    path.unlink()
    assert checks(burgee)["requirements"]["cure"] == "run `burgee init`"


def test_what_builds_leave_behind_is_not_ignored(burgee: Burgee, repository: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=repository, check=True)
    assert "gitignore" not in checks(burgee)
    (repository / ".gitignore").write_text("node_modules\n", encoding="utf-8")
    assert checks(burgee)["gitignore"]["says"] == "git would commit .aws-sam/build and functions/release.json"


@pytest.mark.usefixtures("repository")
def test_files_of_an_older_version(burgee: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("burgee.cli.project.doctor.__version__", "9.0.0")
    assert checks(burgee)["template.yaml"]["cure"] == "run `burgee upgrade`"


@pytest.mark.usefixtures("repository")
def test_no_sam_no_python(burgee: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "sam", lambda: None)
    monkeypatch.setattr(doctor, "lambda_python", lambda: None)
    found = checks(burgee)
    assert found["sam"]["cure"].startswith("pip install aws-sam-cli")
    assert "uv python install" in found["python"]["cure"]


@pytest.mark.usefixtures("repository")
def test_no_credentials_and_no_region(burgee: Burgee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*CREDENTIALS, "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    found = checks(burgee, "--table", "flags")
    assert "aws configure" in found["credentials"]["cure"]
    assert "AWS_REGION" in found["region"]["cure"]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("text", ["[default]\n", "no section\n", None])
def test_a_profile_that_aws_tools_cannot_use(
    burgee: Burgee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "config").write_text(text, encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "AWS_PROFILE" in checks(burgee, "--table", "flags")["credentials"]["cure"]


@pytest.mark.usefixtures("repository")
def test_a_table_that_is_not_there(burgee: Burgee, table: str) -> None:
    assert checks(burgee, "--table", table)["table"]["level"] == "problem"


def test_a_table_without_a_release_then_drift_then_order(burgee: Burgee, repository: Path, table: str) -> None:
    store = DynamoDbStore(table)
    store.create_table()
    store.close()
    where = ("--table", table, "--env", "production")
    assert "no release of default/production is live" in checks(burgee, *where)["table"]["says"]
    assert burgee("apply", *where).code == 0
    assert not {name for name in checks(burgee, *where) if name in {"table", "drift", "credentials"}}
    path = repository / "flags.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("percentage: 5}", "percentage: 9}"), encoding="utf-8")
    assert "burgee plan" in checks(burgee, *where)["drift"]["cure"]


@pytest.mark.usefixtures("repository")
def test_a_stack_of_another_version_with_an_alarm_that_rings(
    burgee: Burgee, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By answers that botocore holds to AWS's own model: no emulator finds a stack by one of its resources."""
    now = datetime(2027, 1, 1, tzinfo=UTC)
    common = {"StackName": "shop", "Timestamp": now, "ResourceStatus": "CREATE_COMPLETE"}
    resources = [
        {
            **common,
            "LogicalResourceId": "FlagsTable",
            "PhysicalResourceId": table,
            "ResourceType": "AWS::DynamoDB::Table",
        },
        {
            **common,
            "LogicalResourceId": "E",
            "PhysicalResourceId": "errors",
            "ResourceType": "AWS::CloudWatch::Alarm",
        },
    ]
    real, clients = boto3.client, {name: boto3.client(name) for name in ("cloudformation", "cloudwatch")}
    stacks, watch = Stubber(clients["cloudformation"]), Stubber(clients["cloudwatch"])
    stacks.add_response("describe_stack_resources", {"StackResources": resources}, {"PhysicalResourceId": table})
    metadata = {"Metadata": json.dumps({"Burgee": {"Version": "0.9"}})}
    stacks.add_response("get_template_summary", metadata, {"StackName": "shop"})
    alarm = {"AlarmName": "errors", "AlarmDescription": "Evaluations fail", "StateValue": "ALARM"}
    watch.add_response("describe_alarms", {"MetricAlarms": [alarm]}, {"AlarmNames": ["errors"]})
    monkeypatch.setattr(boto3, "client", lambda name, **more: clients.get(name) or real(name, **more))
    store = DynamoDbStore(table)
    store.create_table()
    store.close()
    with stacks, watch:
        found = checks(burgee, "--table", table, "--env", "production")
    assert found["stack"]["says"] == f"shop runs 0.9, this is {__version__}"
    assert found["alarm"]["says"] == "errors: Evaluations fail"


def test_a_python_is_found_only_where_it_runs(tmp_path: Path) -> None:
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    assert building.lambda_python(str(shim)) is None
    assert building.lambda_python(str(tmp_path / "absent")) is None
    found = building.lambda_python()
    if found is not None:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
        assert said.startswith(f"Python {building.PYTHON}.")
