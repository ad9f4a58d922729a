"""The API's documentation as one page without scripts, rendered from its OpenAPI document."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.version import __version__
from burgee.web.console.pages import POLICY, linked
from burgee.web.exchange import Need, Route
from burgee.web.replies import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from burgee.web.exchange import Exchange

_KEYWORDS = ("minimum", "maximum", "minLength", "maxLength", "maxItems", "pattern", "default")


class Field(NamedTuple):
    """A parameter, or a member of a body: where it goes, its type, and what it says."""

    name: str
    place: str
    type: str
    text: str
    is_required: bool


class Operation(NamedTuple):
    """One method at one path."""

    method: str
    path: str
    summary: str
    needs: str
    fields: Sequence[Field]
    answers: Sequence[tuple[str, str]]

    @property
    def anchor(self) -> str:
        """Its address within the page."""
        return f"{self.method}{self.path}".lower().replace("/", "-").replace("{", "").replace("}", "")


def reference_routes(document: Callable[[], dict[str, Any]]) -> list[Route]:
    """`/docs`, and `/redoc`, which leads there. `document` gives the OpenAPI document."""

    @cache
    def page(root: str) -> bytes:
        from burgee.web.console.render import rendered

        groups: dict[str, list[Operation]] = {}
        found = document()
        for path, operations in found["paths"].items():
            for method, operation in operations.items():
                group = next(iter(operation.get("tags", ())), "other")
                groups.setdefault(group, []).append(_operation(method, path, operation, found))
        return rendered("reference", root=root, files=linked(root), groups=groups, version=__version__).encode()

    async def reference(exchange: Exchange) -> Reply:
        exchange.policy = POLICY
        body = page(exchange.scope.get("root_path", ""))
        kind = (b"content-type", b"text/html; charset=utf-8")
        return Reply(200, body, [(b"content-length", b"%d" % len(body)), kind])

    async def moved(exchange: Exchange) -> Reply:
        location = f"{exchange.scope.get('root_path', '')}/docs".encode()
        return Reply(307, b"", [(b"content-length", b"0"), (b"location", location)])

    return [
        Route("GET", "/docs", Need.NOTHING, "docs", reference),
        Route("GET", "/redoc", Need.NOTHING, "redoc", moved),
    ]


def _operation(method: str, path: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> Operation:
    fields = [
        Field(
            one["name"],
            one["in"],
            _type(one.get("schema", {})),
            one.get("description") or _limits(one.get("schema", {})),
            bool(one.get("required")),
        )
        for one in operation.get("parameters", ())
    ]
    summary = operation.get("description") or operation.get("summary", "")
    answers = [(status, one.get("description", "")) for status, one in sorted(operation.get("responses", {}).items())]
    needs = operation.get("x-burgee-needs", "no key")
    fields += _body(operation, document)
    return Operation(method.upper(), path, summary, needs, fields, answers)


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Iterator[Field]:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = _resolved(content.get("schema", {}), document)
        required = set(schema.get("required", ()))
        for name, member in schema.get("properties", {}).items():
            inner = _resolved(member, document)
            yield Field(name, "body", _type(member), inner.get("description") or _limits(inner), name in required)


def _resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema behind a reference, or the first of several that is none."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        found: Mapping[str, Any] = document.get("components", {}).get("schemas", {}).get(name, {})
        return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}
    for one in schema.get("anyOf", ()):
        if "$ref" in one:
            return {**_resolved(one, document), **{key: value for key, value in schema.items() if key != "anyOf"}}
    return schema


def _type(schema: Mapping[str, Any]) -> str:
    """A schema's type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2].rpartition("__")[2]
    several = [one for key in ("anyOf", "oneOf") for one in schema.get(key, ())]
    if several:
        return " or ".join(dict.fromkeys(map(_type, several)))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    return f"list of {_type(schema['items'])}" if kind == "array" and "items" in schema else str(kind)


def _limits(schema: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {schema[key]}" for key in _KEYWORDS if schema.get(key) is not None)
