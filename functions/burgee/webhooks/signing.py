"""Signatures of Standard Webhooks 1.0: HMAC-SHA256 over id, time and body, one for each secret in force."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from hashlib import sha256
from hmac import digest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "whsec_"
BYTES = 32
"""The specification asks for 24 to 64."""


def new_secret() -> str:
    """A secret as receivers' libraries take it."""
    return PREFIX + b64encode(secrets.token_bytes(BYTES)).decode()


def signed(message: str, now: float, body: bytes, keys: Iterable[str]) -> dict[str, str]:
    """The header fields of a request: the message's id, the time of this attempt, and a signature by each secret."""
    timestamp = str(int(now))
    content = b".".join((message.encode(), timestamp.encode(), body))
    signatures = (digest(b64decode(key.removeprefix(PREFIX)), content, sha256) for key in keys)
    return {
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{b64encode(one).decode()}" for one in signatures),
    }
