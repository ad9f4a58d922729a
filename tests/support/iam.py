"""IAM's rules on a small scale: whether the statements of a template allow an action on a resource."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import yaml

from support.build import ROOT

if TYPE_CHECKING:
    from burgee.stores.dynamodb import DynamoDbStore

TABLE = "FlagsTable.Arn"
PARAMETERS = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::AccountId": "111111111111",
    "AWS::StackName": "burgee-production",
    "StackName": "burgee-production",
    "EvaluationApi": "abc",
    "ManagementApi": "def",
    "LiveApi": "ghi",
    "Boundary": "arn:aws:iam::111111111111:policy/boundary",
    "TableArn": "arn:aws:dynamodb:eu-west-1:111111111111:table/burgee-production-FlagsTable-1",
    "Project": "shop",
    "Repository": "acme/flags",
    "GitHubEnvironment": "production",
    "Branch": "main",
}


class Template(yaml.CSafeLoader):
    """CloudFormation's short forms: `!Sub` and `!Ref` with the parameters above, others as their operands."""


def _short_form(loader: Template, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        text = str(loader.construct_scalar(node))
        if suffix == "Ref":
            return PARAMETERS.get(text, text)
        return re.sub(r"\$\{([\w:]+)\}", lambda found: PARAMETERS.get(found[1], found[0]), text)
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {suffix: loader.construct_mapping(node, deep=True)}


Template.add_multi_constructor("!", _short_form)


def resources(name: str) -> dict[str, Any]:
    text = (ROOT / name).read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, Template)["Resources"]
    return found


def several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(resource: dict[str, Any]) -> list[dict[str, Any]]:
    properties = resource["Properties"]
    documents = [one.get("PolicyDocument", one) for one in properties.get("Policies", [properties])]
    return [statement for document in documents for statement in document["Statement"]]


def holds(conditions: dict[str, Any], context: dict[str, Any]) -> bool:
    for operator, keys in conditions.items():
        for key, wanted in keys.items():
            patterns = [str(pattern) for pattern in several(wanted)]
            values = [str(value) for value in several(context[key])] if key in context else []
            if not values and not operator.startswith("ForAllValues"):
                return False
            like = operator.endswith("Like")
            if not all(any(fnmatchcase(v, p) if like else v == p for p in patterns) for v in values):
                return False
    return True


def allows(granted: list[dict[str, Any]], action: str, resource: str, context: dict[str, Any] | None = None) -> bool:
    assert all(statement["Effect"] == "Allow" for statement in granted)
    return any(
        any(fnmatchcase(action, pattern) for pattern in several(statement["Action"]))
        and any(fnmatchcase(resource, pattern) for pattern in several(statement["Resource"]))
        and holds(statement.get("Condition", {}), context or {})
        for statement in granted
    )


OPERATIONS = {
    "Put": "PutItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Update": "UpdateItem",
}


class Asked:
    """What a store asks DynamoDB for: actions with the leading keys that they touch."""

    def __init__(self, store: DynamoDbStore) -> None:
        self.actions: set[tuple[str, str]] = set()
        store.client.meta.events.register("provide-client-params.dynamodb.*", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_more: Any) -> None:
        if model.name == "TransactWriteItems":
            for item in params["TransactItems"]:
                ((operation, request),) = item.items()
                self.actions.add((OPERATIONS[operation], (request.get("Item") or request["Key"])["pk"]["S"]))
        elif model.name == "Query":
            self.actions.add(("Query", params["ExpressionAttributeValues"][":pk"]["S"]))
        elif model.name in {"GetItem", "PutItem", "DeleteItem"}:
            self.actions.add((model.name, (params.get("Item") or params["Key"])["pk"]["S"]))

    def refused(self, granted: list[dict[str, Any]]) -> list[tuple[str, str]]:
        """What a role does not allow."""
        return sorted(
            (action, key)
            for action, key in self.actions
            if not allows(granted, f"dynamodb:{action}", TABLE, {"dynamodb:LeadingKeys": [key]})
        )
