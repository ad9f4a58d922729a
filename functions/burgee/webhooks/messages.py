"""What a webhook is sent: a change, its author and reason, and in words who is affected; no flag's definition."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.stores import AuditEntry, Tenant
    from burgee.webhooks.changes import Served

MAX_LINES, MAX_LINE = 20, 300
"""Together with the limits on authors and reasons this keeps a message below 20 kB."""
MAX_WORDS = 500


def message_id(tenant: Tenant, entry: str) -> str:
    """The id of an entry's message, the same at every attempt and for every receiver, and of this tenant alone."""
    said = json.dumps([tenant.project, tenant.environment, entry])
    return f"evt_{sha256(said.encode()).hexdigest()[:32]}"


def message(tenant: Tenant, entry: AuditEntry, served: Served | None, effect: Sequence[str] | None) -> dict[str, Any]:
    """An entry's message; `effect` has who is affected, in lines, and is None if that is unknown or nobody is."""
    first = () if served is None or not served.first or not effect else (served.first,)
    lines = [*first, *effect] if effect is not None else None
    return {
        "type": entry.action,
        "timestamp": entry.at,
        "data": {
            "id": entry.id,
            "project": tenant.project,
            "environment": tenant.environment,
            "flag": entry.flag,
            "release": entry.release,
            "author": _short(entry.actor, MAX_WORDS),
            "reason": _short(entry.reason, MAX_WORDS),
            "effect": None if lines is None else shortened(lines),
        },
    }


def shortened(lines: Sequence[str]) -> list[str]:
    """As many lines as a message has room for, and how many there are besides."""
    kept = [_short(line, MAX_LINE) for line in lines[:MAX_LINES]]
    more = len(lines) - len(kept)
    return [*kept, f"and {more:,} more"] if more > 0 else kept


def body(made: Mapping[str, Any]) -> bytes:
    """A message as it is sent and signed."""
    return json.dumps(made, separators=(",", ":"), ensure_ascii=False).encode()


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
