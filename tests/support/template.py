"""The CloudFormation template as plain values, and what its alarms watch."""

from __future__ import annotations

from typing import Any

import yaml

from support.build import ROOT


class Template(yaml.CSafeLoader):
    """Reads intrinsic functions as mappings: `!Ref X` is {"Ref": "X"}."""


def _intrinsic(loader: Template, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: None}


Template.add_multi_constructor("!", _intrinsic)


def template() -> dict[str, Any]:
    """template.yaml."""
    found: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Template)
    return found


def alarms(namespace: str) -> dict[str, dict[str, Any]]:
    """The alarms on one namespace's metrics, by logical id: their properties, with `Dimensions` as a mapping."""
    resources = template()["Resources"]
    found = {name: one["Properties"] for name, one in resources.items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    return {
        name: {**one, "Dimensions": {pair["Name"]: pair["Value"] for pair in one["Dimensions"]}}
        for name, one in found.items()
        if one["Namespace"] == namespace
    }
