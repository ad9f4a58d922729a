"""The fields of a request's query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FIELDS = 20
"""More than any client sends."""


def query_value(scope: Mapping[str, Any], name: str) -> str:
    """The first value of a field in the query of an ASGI scope; empty if it is absent or the query has too many."""
    try:
        found = parse_qs(str(scope["query_string"], "latin-1"), max_num_fields=MAX_FIELDS)
    except ValueError:
        return ""
    return found.get(name, [""])[0]


def parameters(query: str) -> list[tuple[str, str]]:
    """`parse_qsl` with blank values, in a third of the time: only what is encoded is decoded."""
    found = []
    for part in query.split("&"):
        if part:
            name, _, text = part.partition("=")
            if "%" in part or "+" in part:
                name, text = unquote_plus(name), unquote_plus(text)
            found.append((name, text))
    return found
