"""template.yaml and what it deploys, judged by AWS's own tools."""

from __future__ import annotations

import json
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind
from burgee.cli.project.building import AT_THE_DESK
from burgee.stores.dynamodb import DynamoDbStore
from support.build import BIN, ROOT, build, project, python_3_13, run
from support.byte_code import uncompiled
from support.dynamodb import CREDENTIALS, wire_url
from support.keys import ALL, bearer, token
from support.lambda_runtime import CloudFormation, emulator, event, function
from support.template import template

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

pytestmark = pytest.mark.sam


def test_the_requirements_are_what_the_lock_says() -> None:
    printed = run(sys.executable, "infra/lambda_requirements.py")
    assert printed.returncode == 0, printed.stderr
    current = (ROOT / "functions/requirements.txt").read_text(encoding="utf-8")
    assert printed.stdout == current, "run `make lock`"


def test_the_dashboard_is_json_and_imports_what_the_template_exports() -> None:
    dashboard = (ROOT / "infra/dashboard.yaml").read_text(encoding="utf-8")
    body = dashboard.partition("          - |\n")[2].partition("          - Evaluate")[0]
    widgets = json.loads(body)["widgets"]
    assert len(widgets) == 9
    assert all(widget["properties"]["metrics"] for widget in widgets)
    template = (ROOT / "template.yaml").read_text(encoding="utf-8")
    imported = set(re.findall(r'ImportValue": !Sub "\$\{StackName\}(-\w+)"', dashboard))
    assert imported == set(re.findall(r'Export: \{Name: !Sub "\$\{AWS::StackName\}(-\w+)"\}', template))


LINT = """
import sys
from cfnlint.runner import main
from samcli.cli.main import cli

codes = []
for command in (main, lambda: cli(["validate", "--lint"])):
    try:
        command()
    except SystemExit as stop:
        codes.append(stop.code)
print("ended with", codes)
"""


def test_sam_and_cfn_lint_find_nothing(burgee: Burgee) -> None:
    """Also in what `burgee init` writes beside a team's own stack; SAM's lint is cfn-lint's, of template.yaml.

    Both commands run in one process: most of their time goes into loading the same rules.
    """
    burgee.write("AWSTemplateFormatVersion: '2010-09-09'\nResources: {}\n", "template.yaml")
    assert burgee("init", "--no-ci").code == 0
    templates = [f"infra/{name}.yaml" for name in ("deploy-role", "dashboard", "github/roles", "waf")]
    ran = run(sys.executable, "-c", LINT, *templates, str(burgee.folder / "infra/burgee.yaml"))
    assert "ended with [0, 0]" in ran.stdout, ran.stdout + ran.stderr


HOLDING_DATA = {
    "FlagsTable": "AWS::DynamoDB::Table",
    "EventBucket": "AWS::S3::Bucket",
    "DeadLetters": "AWS::SQS::Queue",
    "EventDatabase": "AWS::Glue::Database",
    "EventTable": "AWS::Glue::Table",
    "UsageTable": "AWS::Glue::Table",
}
NAMES = {"TableName", "BucketName", "QueueName"}
"""Properties whose change makes CloudFormation replace what holds the data."""


def test_what_holds_data_keeps_its_name_and_is_never_replaced() -> None:
    """A stack of an earlier version is upgraded in place: another logical id would be another, empty table."""
    found = template()["Resources"]
    assert {name: found[name]["Type"] for name in HOLDING_DATA} == HOLDING_DATA
    for name in ("FlagsTable", "EventBucket", "DeadLetters"):
        assert (found[name]["DeletionPolicy"], found[name]["UpdateReplacePolicy"]) == ("Retain", "Retain"), name
        assert not NAMES & set(found[name]["Properties"])
    keys = [(key["AttributeName"], key["KeyType"]) for key in found["FlagsTable"]["Properties"]["KeySchema"]]
    assert keys == [("pk", "HASH"), ("sk", "RANGE")]


@pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64")
def test_sam_build_makes_packages_that_the_runtime_client_runs_on_one_table(tmp_path: Path) -> None:
    python = python_3_13()
    if python is None:
        pytest.skip("no Python 3.13, which is Lambda's, on this machine")
    copy = project(tmp_path)
    built = build(copy)
    assert not [path for name in AT_THE_DESK for path in built.glob(f"*/burgee/{name}")]
    code = built / "EvaluateFunction"
    assert not uncompiled(code, python)
    assert not (code / "boto3").exists()
    client = tmp_path / "client"
    target = ("--python", python, "--target", str(client))
    installed = run(str(BIN / "uv"), "pip", "install", "-q", *target, "awslambdaric", "boto3")
    assert installed.returncode == 0, installed.stderr
    cloudformation = CloudFormation()
    environment = {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": wire_url(),
        "BURGEE_TABLE": "built",
        "BURGEE_REFRESH_SECONDS": "0",
    }
    store = store_at(environment)

    def running(name: str, resource: str = "") -> Any:
        code = built / f"{resource or name.title()}Function"
        path = {**environment, "PYTHONPATH": f"{code}:{client}"}
        return function(f"burgee.handlers.{name}.handler", code, tmp_path / f"{name}.log", path, python=python)

    with running("load") as load:
        load(cloudformation.request("Create"))
    assert [(one["Status"], one["Reason"]) for one in cloudformation.reported] == [("SUCCESS", "release 1 is live")]
    key = bearer(token(store, Kind.ADMIN, *ALL))

    def asked(name: str) -> Any:
        found = event(name)
        return {**found, "headers": {**found["headers"], **key}}

    with running("evaluate") as evaluate, running("manage") as manage:
        assert evaluate(event("http-api-user-flag"))["statusCode"] == 401
        answer = evaluate(asked("http-api-user-flag"))
        assert (json.loads(answer["body"])["variant"], answer["headers"]["burgee-release"]) == ("green", "1")
        assert manage(asked("http-api-put-flag"))["statusCode"] == 200
        assert json.loads(evaluate(asked("http-api-user-flag"))["body"])["enabled"] is False
    with running("canary_alarm", "Guard") as canary_alarm:
        assert canary_alarm(event("alarm")) == {"alarm": "burgee-production-EvaluateErrors", "release": None}
    store.close()
    cloudformation.shutdown()
    cloudformation.server_close()


def store_at(environment: dict[str, str]) -> DynamoDbStore:
    """The table that the functions are given."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CREDENTIALS:
            patch.setenv(name, CREDENTIALS[name])
        store = DynamoDbStore(environment["BURGEE_TABLE"], endpoint_url=environment["AWS_ENDPOINT_URL"])
    store.create_table()
    return store


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
