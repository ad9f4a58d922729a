"""What management answers with, as JSON values."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from burgee.model import Definition
    from burgee.stores import State


def resource(flag: str, definition: Definition, state: State, released: str) -> dict[str, Any]:
    """The body of one flag; `id` is made of the name, so that it never changes."""
    override = state.overrides.get(flag)
    return {
        "id": int.from_bytes(sha256(flag.encode()).digest()[:7]) >> 4,
        "flag_name": flag,
        "status": False,
        "rollout_percentage": None,
        "description": None,
        **definition,
        "created_at": override.created_at if override and override.base_digest is None else released,
        "updated_at": override.updated_at if override else released,
        "source": "override" if override else "release",
        **({"expires_at": override.expires_at} if override and override.expires_at else {}),
    }
