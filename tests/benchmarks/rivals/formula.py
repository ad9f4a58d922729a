"""The original rule alone: `hashlib` and the modulo, without any engine."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

PACKAGES: list[str] = []


def enabled(user: str, flag: str, percentage: int) -> bool:
    return int.from_bytes(sha256(f"{user}:{flag}".encode()).digest()) % 100 < percentage


def document(flags: dict[str, str]) -> bytes:
    return json.dumps(flags).encode()


def ready(data: bytes) -> Any:
    return json.loads(data)


def someone(user: str, _attributes: dict[str, Any]) -> str:
    return user


def ask(_client: Any, name: str, _kind: str, people: list[Any]) -> list[Any]:
    return [enabled(person, name, 50) for person in people]
