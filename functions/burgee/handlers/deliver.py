"""AWS Lambda: sends webhooks and writes down what ended, each minute and when the stream's function rings."""

from __future__ import annotations

from typing import Any

from burgee.handlers import wiring
from burgee.stores import Tenant
from burgee.web.dry_run import effect_in_words
from burgee.webhooks.background import Background
from burgee.webhooks.outbox import Deps
from burgee.webhooks.sealing import WithoutKey
from burgee.webhooks.sending import Sender

MARGIN_SECONDS = 5.0
MAX_TENANTS = 100
"""Environments that one event may name."""

_deps = Deps(Sender(), wiring.vault() or WithoutKey(), effect_in_words, log=print)
_background = Background(wiring.table(), _deps)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """One pass, and what is sent in it, as far as the function's time allows; the rest is sent by a later one."""
    named = (event.get("detail") or {}).get("tenants") or []
    _background.step([Tenant(*one) for one in named[:MAX_TENANTS]])
    seconds = context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    return {"settled": _background.settle(max(0.0, seconds))}
