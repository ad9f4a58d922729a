"""Datadog: a Rust core, asked directly, beneath its OpenFeature provider."""

from __future__ import annotations

from typing import Any

from ddtrace.internal.native._native import ffe

from benchmarks.rivals import ufc

PACKAGES = ["ddtrace==4.16.0"]
ufc.SEMVER = "SEMVER_GTE"
document = ufc.document


def ready(data: bytes) -> Any:
    return ffe.Configuration(data)


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return {"targeting_key": user, "attributes": attributes}


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    resolve, type_ = client.resolve_value, ffe.FlagType.String if kind == "rules" else ffe.FlagType.Boolean
    reported = [resolve(name, type_, person).value for person in people]
    return ["other" if value is None else value for value in reported] if kind == "rules" else reported
