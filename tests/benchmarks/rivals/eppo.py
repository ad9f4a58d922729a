"""Eppo: a Rust core."""

from __future__ import annotations

from typing import Any

import eppo_client
from eppo_client import AssignmentLogger, ClientConfig, Configuration

from benchmarks.rivals.ufc import document

PACKAGES = ["eppo-server-sdk==4.4.1"]
__all__ = ["ask", "document", "ready", "someone"]


def ready(data: bytes) -> Any:
    configuration = Configuration(flags_configuration=data)
    return eppo_client.init(
        ClientConfig(
            api_key="none",
            base_url="http://127.0.0.1:1",
            assignment_logger=AssignmentLogger(),
            poll_interval_seconds=None,
            initial_configuration=configuration,
        )
    )


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return user, attributes


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    if kind == "rules":
        text = client.get_string_assignment
        return [text(name, user, attributes, "other") for user, attributes in people]
    boolean = client.get_boolean_assignment
    return [boolean(name, user, attributes, False) for user, attributes in people]
