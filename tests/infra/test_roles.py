"""The roles that pipelines take: what each statement allows, judged by a small evaluator of IAM's own rules."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from support.build import ROOT
from support.iam import PARAMETERS, Template, allows, resources, several, statements

ROLE = "arn:aws:iam::111111111111:role/burgee-production-EvaluateFunctionRole-1"
BOUNDED = {"iam:PermissionsBoundary": PARAMETERS["Boundary"]}
API = "arn:aws:apigateway:eu-west-1::/apis"

DEPLOY = resources("infra/deploy-role.yaml")
GRANTED, BOUNDARY = statements(DEPLOY["Role"]), statements(DEPLOY["Boundary"])
EVERYWHERE = {
    "lambda:CreateEventSourceMapping",
    "lambda:UpdateEventSourceMapping",
    "lambda:DeleteEventSourceMapping",
    "lambda:GetEventSourceMapping",
    "logs:DescribeLogGroups",
    "dynamodb:ListStreams",
    "cloudwatch:DescribeAlarms",
}
"""What AWS has no resource for, or is bound by a condition instead."""


@pytest.mark.parametrize("statement", [*GRANTED, *BOUNDARY], ids=lambda one: str(several(one["Action"])[0]))
def test_each_statement_names_its_actions_and_its_resources(statement: dict[str, Any]) -> None:
    actions = several(statement["Action"])
    assert statement["Effect"] == "Allow"
    assert not any("*" in action for action in actions)
    resources = several(statement["Resource"])
    if "*" in resources:
        assert set(actions) <= EVERYWHERE
        writes = [one for one in actions if not one.partition(":")[2].startswith(("Get", "List", "Describe"))]
        assert not writes or "Condition" in statement
    for resource in set(resources) - {"*"}:
        assert "${" not in resource, "every parameter is known here"
        service = resource.split(":")[2]
        assert service != "kms" or "kms:EncryptionContext:burgee" in statement["Condition"]["StringLike"]
        if service not in {"cloudformation", "s3", "glue", "events", "kms"}:
            assert re.search(r"burgee-production|/apis|/tags/|:ghi/live/POST/@connections/", resource)


@pytest.mark.parametrize(
    "action",
    ["CreateRole", "PutRolePolicy", "AttachRolePolicy", "DetachRolePolicy", "DeleteRolePolicy",
     "PutRolePermissionsBoundary"],
)  # fmt: skip
def test_a_role_is_made_and_changed_only_within_the_boundary(action: str) -> None:
    assert allows(GRANTED, f"iam:{action}", ROLE, BOUNDED)
    assert not allows(GRANTED, f"iam:{action}", ROLE)
    administrator = {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}
    assert not allows(GRANTED, f"iam:{action}", ROLE, administrator)
    assert not allows(GRANTED, f"iam:{action}", "arn:aws:iam::111111111111:role/another", BOUNDED)


def test_neither_the_boundary_nor_its_hold_can_be_changed() -> None:
    for action in ("CreatePolicyVersion", "SetDefaultPolicyVersion", "DeletePolicy", "CreatePolicy"):
        assert not allows(GRANTED, f"iam:{action}", PARAMETERS["Boundary"])
    for action in ("DeleteRolePermissionsBoundary", "UpdateAssumeRolePolicy", "CreateUser", "CreateAccessKey"):
        assert not allows(GRANTED, f"iam:{action}", ROLE, BOUNDED)
    assert not allows(GRANTED, "sts:AssumeRole", ROLE)


def test_within_the_boundary_nobody_becomes_more() -> None:
    actions = {action for statement in BOUNDARY for action in several(statement["Action"])}
    assert {action.partition(":")[0] for action in actions} == {
        "dynamodb", "logs", "events", "firehose", "s3", "sqs", "glue", "kms", "execute-api", "athena",
        "cloudwatch",
    }  # fmt: skip


def test_a_role_is_handed_to_two_services_alone() -> None:
    for service in ("lambda.amazonaws.com", "firehose.amazonaws.com"):
        assert allows(GRANTED, "iam:PassRole", ROLE, {"iam:PassedToService": service})
    for context in ({}, {"iam:PassedToService": "ec2.amazonaws.com"}):
        assert not allows(GRANTED, "iam:PassRole", ROLE, context)


def test_apis_of_others_are_left_alone_and_none_is_deleted() -> None:
    for verb in ("POST", "PATCH", "DELETE"):
        assert allows(GRANTED, f"apigateway:{verb}", f"{API}/abc/routes/1")
        assert not allows(GRANTED, f"apigateway:{verb}", f"{API}/other/routes/1")
    for other in (
        f"{API}/other",
        "arn:aws:apigateway:eu-west-1::/restapis/x",
        "arn:aws:apigateway:eu-west-1::/account",
    ):
        assert not allows(GRANTED, "apigateway:PATCH", other)
    for api in ("abc", "def", "ghi", "other"):
        assert not allows(GRANTED, "apigateway:DELETE", f"{API}/{api}")
    assert allows(GRANTED, "apigateway:POST", API)


def test_no_function_is_opened_to_another_account() -> None:
    function = "arn:aws:lambda:eu-west-1:111111111111:function:burgee-production-EvaluateFunction-1"
    assert allows(GRANTED, "lambda:AddPermission", function, {"lambda:Principal": "apigateway.amazonaws.com"})
    assert not allows(GRANTED, "lambda:AddPermission", function, {"lambda:Principal": "*"})
    assert not allows(GRANTED, "lambda:CreateFunctionUrlConfig", function)
    assert not allows(GRANTED, "lambda:InvokeFunction", function.replace("production", "staging"))


def test_every_role_of_the_stack_takes_the_boundary() -> None:
    text = (ROOT / "template.yaml").read_text(encoding="utf-8")
    template = yaml.load(text, Template)
    bounded = {"If": ["HasBoundary", "PermissionsBoundary", "AWS::NoValue"]}
    assert template["Globals"]["Function"]["PermissionsBoundary"] == bounded
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            assert resource["Properties"]["PermissionsBoundary"] == bounded, name
        assert resource["Type"] != "AWS::Serverless::Function" or "Role" not in resource["Properties"], name


def test_who_opens_proposals_writes_nothing_else_and_comes_from_the_branch() -> None:
    role, table = resources("infra/github/roles.yaml")["ReconcileRole"], PARAMETERS["TableArn"]
    granted = statements(role)
    for partition, writes in (("PROPOSALS", True), ("STATE", False), ("AUDIT", False), ("KEYS", False)):
        keys = {"dynamodb:LeadingKeys": [f"shop#production#{partition}"]}
        assert allows(granted, "dynamodb:Query", table, keys)
        assert allows(granted, "dynamodb:PutItem", table, keys) == writes
        assert not allows(granted, "dynamodb:DeleteItem", table, keys)
    other = {"dynamodb:LeadingKeys": ["other#production#PROPOSALS"]}
    assert not allows(granted, "dynamodb:PutItem", table, other)
    (trusted,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert trusted["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"] == (
        "repo:acme/flags:ref:refs/heads/main"
    )


@pytest.mark.parametrize("name", ["ReviewRole", "ReleaseRole"])
def test_the_flags_own_roles_reach_one_project(name: str) -> None:
    granted, table = statements(resources("infra/github/roles.yaml")[name]), PARAMETERS["TableArn"]
    assert allows(granted, "dynamodb:GetItem", table, {"dynamodb:LeadingKeys": ["shop#production#STATE"]})
    assert not allows(granted, "dynamodb:GetItem", table, {"dynamodb:LeadingKeys": ["other#production#STATE"]})
    own = {"dynamodb:LeadingKeys": ["shop#production#STATE"]}
    assert allows(granted, "dynamodb:PutItem", table, own) == (name == "ReleaseRole")
    for action in ("dynamodb:Scan", "dynamodb:DeleteTable", "dynamodb:PartiQLSelect"):
        assert not allows(granted, action, table, own)


def test_what_evaluates_writes_only_of_itself() -> None:
    granted, table = statements(resources("template.yaml")["EvaluateFunction"]), "FlagsTable.Arn"
    for partition, writes in (("SEEN", True), ("USE", True), ("STATE", False), ("REVISIONS", False), ("KEYS", False)):
        keys = {"dynamodb:LeadingKeys": [f"shop#production#{partition}"]}
        assert allows(granted, "dynamodb:Query", table, keys)
        assert allows(granted, "dynamodb:PutItem", table, keys) == writes
        assert not allows(granted, "dynamodb:DeleteItem", table, keys)
    assert not allows(granted, "dynamodb:PutItem", table, {"dynamodb:LeadingKeys": ["other#production#SEEN"]})


def test_what_holds_connections_reads_keys_and_writes_connections_and_what_notifies_reaches_no_key() -> None:
    table, found = "FlagsTable.Arn", resources("template.yaml")
    connect, notify = statements(found["LiveConnectFunction"]), statements(found["LiveNotifyFunction"])
    connections = "arn:aws:execute-api:eu-west-1:111111111111:ghi/live/POST/@connections/x="

    def may(granted: list[dict[str, Any]], action: str) -> set[str]:
        partitions = (
            "STATE",
            "KEYS",
            "SOCKETS",
            "SEEN",
            "AUDIT",
            "BLOB#x#0",
            "DEFINITION#x#0",
            "SETTINGS",
            "RELEASES",
        )
        assert not allows(granted, action, table, {"dynamodb:LeadingKeys": ["other#production#SOCKETS"]})
        keys = {one: {"dynamodb:LeadingKeys": [f"shop#production#{one}"]} for one in partitions}
        return {one for one in partitions if allows(granted, action, table, keys[one])}

    assert may(connect, "dynamodb:GetItem") == {"KEYS"}
    assert may(connect, "dynamodb:Query") == set()
    assert may(connect, "dynamodb:PutItem") == may(connect, "dynamodb:DeleteItem") == {"SOCKETS"}
    assert may(notify, "dynamodb:Query") == {"STATE", "SOCKETS", "BLOB#x#0", "DEFINITION#x#0"}
    assert may(notify, "dynamodb:PutItem") == may(notify, "dynamodb:DeleteItem") == {"SOCKETS"}
    assert allows(notify, "execute-api:ManageConnections", connections)
    assert not allows(notify, "execute-api:ManageConnections", connections.replace("ghi", "other"))
    assert not allows(connect, "execute-api:ManageConnections", connections)
