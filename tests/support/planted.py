"""Data that no log may hold, planted wherever a request has room for it, and the search for it.

Every log of a test is searched: what it captured, those of `burgee serve`, those of handlers under AWS's runtime.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

UNIT, EMAIL, ATTRIBUTE, SECRET = (
    "planted-unit-5d1c",
    "planted-5d1c@example.com",
    "planted-value-5d1c",
    "planted-5d1c-key",
)
AGENT, ADDRESS = "curl/8.5.0", "192.0.2.1"
"""Those of every event in tests/events."""
MARKERS = (UNIT, EMAIL, ATTRIBUTE, SECRET, AGENT, ADDRESS)
TOKEN = re.compile(r"burgee_(?:client|server|admin)_[^\s\"']+_[0-9a-f]{16}_[0-9a-f]{64}")
"""Any API key."""
FLAG = "checkout"
"""A flag that is there, whose name is logged; where a path names a flag, an unknown one is a marker, too."""
FLAG_PARAMETERS = frozenset({"flag_name", "key"})
VALUES: dict[str, Any] = {"version": 1, "key_id": "0" * 16, "limit": 5, "dry_run": "true"}


@dataclass(slots=True)
class Search:
    """What was searched, and what was found."""

    characters: int = 0
    found: list[str] = field(default_factory=list)

    def look(self, text: str, where: str) -> None:
        """Fails if a string contains what was planted."""
        self.characters += len(text)
        hits = [marker for marker in MARKERS if marker in text or quote(marker) in text] + TOKEN.findall(text)
        self.found += hits
        assert not hits, f"{where} holds {hits}"


SEARCH = Search()


def requests(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Each route of an OpenAPI document, by method, URL and body, with what was planted in all of them."""
    for path, operations in document["paths"].items():
        names = re.findall(r"{(\w+)}", path)
        flags = (FLAG, UNIT) if FLAG_PARAMETERS.intersection(names) else (FLAG,)
        for method, flag in product(operations, flags):
            url = path
            for name in names:
                url = url.replace(f"{{{name}}}", str(VALUES.get(name, flag if name in FLAG_PARAMETERS else UNIT)))
            body = None
            if method in {"post", "put"}:
                context = {"targetingKey": UNIT, "email": EMAIL, "attribute": {"deep": ATTRIBUTE}}
                body = {"flag_name": FLAG, "status": True, "description": EMAIL, "context": context, "author": EMAIL}
                if "ofrep" in path:
                    body = {"context": context}
                elif path == "/v1/events":
                    event = {
                        "type": "track",
                        "event_id": "1",
                        "unit": UNIT,
                        "event": "e",
                        "properties": {"a": ATTRIBUTE},
                    }
                    body = {"events": [event, {"unit": EMAIL}, ATTRIBUTE]}
                elif path != "/flags":
                    body = {"status": True, "description": EMAIL, "reason": ATTRIBUTE}
            for asked in (f"?email={EMAIL}&attribute={ATTRIBUTE}&expose=true", f"?limit={ATTRIBUTE}&dry_run={EMAIL}"):
                yield method.upper(), url + asked, body
                if body is not None:
                    yield method.upper(), url, {ATTRIBUTE: EMAIL, "context": UNIT}
    yield "GET", f"/nowhere/{UNIT}", None


def headers(token: str) -> Iterator[dict[str, str]]:
    """Those of a caller with a key, and of one without a valid one."""
    reported = {
        "X-Burgee-Reason": ATTRIBUTE,
        "X-Burgee-Author": EMAIL,
        "User-Agent": AGENT,
        "X-Forwarded-For": ADDRESS,
    }
    yield {
        **reported,
        "Authorization": f"Bearer {token}",
        "X-Request-Id": f"{UNIT} {EMAIL}",
        "Idempotency-Key": SECRET,
    }
    yield {**reported, "X-API-Key": SECRET}
