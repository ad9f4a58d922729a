"""OpenAPI operations of the routes that FastAPI does not document, and the permissions of all routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from burgee.web.exchange import Need, Route

PROBLEM = {"application/problem+json": {"schema": {"type": "object"}}}
REFUSED = {"401": "No valid key", "403": "The key lacks permission", "429": "Too many requests"}
METADATA = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}


def answered(description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The response 200."""
    return {"200": {"description": description, "content": {"application/json": {"schema": schema}}}}


def problems(statuses: Mapping[str, str]) -> dict[str, Any]:
    """Responses with a problem document, by status, from descriptions."""
    return {status: {"description": description, "content": PROBLEM} for status, description in statuses.items()}


def read(
    summary: str,
    schema: Mapping[str, Any],
    parameters: Sequence[Mapping[str, Any]] = (),
    errors: Mapping[str, str] | None = None,
    group: str = "evaluation",
) -> dict[str, Any]:
    """The operation of a read, with an ETag."""
    return {
        "summary": summary,
        "tags": [group],
        "parameters": list(parameters),
        "responses": {
            **answered("The answer", schema),
            "304": {"description": "Not changed since `If-None-Match`"},
            **problems({**REFUSED, **(errors or {})}),
        },
    }


def needing(need: Need) -> dict[str, Any]:
    """The members of an operation that state the required permission."""
    return {"security": [{"bearer": []}, {"header": []}], "x-burgee-needs": str(need)}


def describe(document: dict[str, Any], routes: Iterable[Route]) -> None:
    """Adds the routes that FastAPI does not document, and how keys are sent."""
    document.setdefault("components", {})["securitySchemes"] = SECURITY
    for route in routes:
        if route.document is not None:
            operation = route.document()
            if route.need != "nothing":
                operation |= needing(route.need)
            document["paths"].setdefault(route.path, {})[route.method.lower()] = operation
