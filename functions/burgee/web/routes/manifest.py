"""`GET /openfeature/v0/manifest`: types and defaults of the caller's flags; `openfeature pull` reads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from burgee.accessors.manifest import manifest
from burgee.serving.serving import NOBODY
from burgee.web.exchange import Need, Route
from burgee.web.openapi import read
from burgee.web.replies import tagged, unless_held, written

if TYPE_CHECKING:
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply


async def get_manifest(exchange: Exchange) -> Reply:
    """The manifest of the flags that the caller may evaluate."""
    now = time.time()
    flags = exchange.flags(NOBODY, now)
    definitions = {name: flags.definition(name, now) or {} for name in flags.names(now)}
    return unless_held(tagged(written(manifest(definitions).answer())), exchange.if_none_match)


def _document() -> dict[str, Any]:
    flag = {
        "type": "object",
        "required": ["key", "type", "defaultValue"],
        "properties": {
            "key": {"type": "string"},
            "type": {"enum": ["boolean", "string", "integer", "float", "object"]},
            "defaultValue": {"type": ["boolean", "string", "number", "object", "array"]},
            "description": {"type": "string"},
        },
    }
    schema = {"type": "object", "required": ["flags"], "properties": {"flags": {"type": "array", "items": flag}}}
    return read("OpenFeature's flag manifest of the flags that the key may evaluate", schema)


ROUTES = [Route("GET", "/openfeature/v0/manifest", Need.EVALUATE, "manifest", get_manifest, _document)]
