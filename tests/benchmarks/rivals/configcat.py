"""ConfigCat's client, from a file of its own format."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import configcatclient
from configcatclient import ConfigCatOptions
from configcatclient.localfiledatasource import LocalFileFlagOverrides
from configcatclient.overridedatasource import OverrideBehaviour
from configcatclient.user import User

from benchmarks import work

PACKAGES = ["configcat-client==10.0.1"]
COMPARATORS = {"eq": 0, "in": 0, "semver_gte": 9, "gte": 15, "starts_with": 30}


def _value(value: Any) -> dict[str, Any]:
    return {"v": {"b": value} if isinstance(value, bool) else {"s": value}}


def _condition(attribute: str, operator: str, operand: Any) -> dict[str, Any]:
    if operator in {"semver_gte", "gte"}:
        operands: dict[str, Any] = {"s": operand} if operator == "semver_gte" else {"d": operand}
    else:
        operands = {"l": operand if isinstance(operand, list) else [operand]}
    return {"u": {"a": attribute, "c": COMPARATORS[operator], **operands}}


def _rules() -> dict[str, Any]:
    rules: list[dict[str, Any]] = []
    for attribute, operator, operand, variant in work.RULES:
        rule: dict[str, Any] = {"c": [_condition(attribute, operator, operand)]}
        if variant is not None:
            rule["s"] = _value(variant)
        else:
            rule["p"] = [{"p": weight, **_value(arm)} for arm, weight in work.ARMS.items()]
        rules.append(rule)
    return {"t": 1, "r": rules, **_value("other")}


def document(flags: dict[str, str]) -> bytes:
    half = [{"p": 50, **_value(True)}, {"p": 50, **_value(False)}]
    listed = {"c": [_condition("Identifier", "in", work.LISTED)], "s": _value(True)}
    kinds = {
        "share": {"t": 0, "p": half, **_value(False)},
        "rules": _rules(),
        "users": {"t": 0, "r": [listed], **_value(False)},
    }
    features = {name: kinds[kind] for name, kind in flags.items()}
    return json.dumps({"p": {"u": "x", "r": 0, "s": "salt"}, "s": [], "f": features}).encode()


def ready(data: bytes) -> Any:
    configcatclient.ConfigCatClient.close_all()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.json"
        path.write_bytes(data)
        overrides = LocalFileFlagOverrides(str(path), OverrideBehaviour.LocalOnly)
        client = configcatclient.get("x" * 22 + "/" + "y" * 22, ConfigCatOptions(flag_overrides=overrides))
        client.get_all_keys()
    Path(folder).mkdir()  # it looks whether the file changed at every evaluation
    path.write_bytes(data)
    return client


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return User(user, custom=attributes)


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    default = "other" if kind == "rules" else False
    value = client.get_value
    return [value(name, default, person) for person in people]


def bulk(client: Any, _flags: dict[str, str], person: Any) -> Any:
    return client.get_all_values(person)
