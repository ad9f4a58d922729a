"""`schema:` of a flag: the JSON type of its values, in the part of JSON Schema that typed languages have.

Every schema here is a JSON Schema (draft 2020-12) with the same meaning. Patterns and ranges are left out: no
generated type could hold them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from burgee.flagfile.fields import Part, Switch, Text, shown
from burgee.numeric import is_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from burgee.evaluation.definition import Route

MAX_PROPERTIES = 200
MAX_ENUM = 200


def _choice(value: Any) -> Any:
    if not isinstance(value, (bool, int, float, str)):
        raise PydanticCustomError("scalar-expected", "a string, a number, true or false is needed here", {})
    return value


Choice = Annotated[Any, BeforeValidator(_choice), WithJsonSchema({"type": ["string", "number", "boolean"]})]
JsonType = Literal["string", "integer", "number", "boolean", "object", "array", "null"]


class ValueSchema(Part):
    """The type of a JSON value."""

    type: JsonType | None = Field(None, description="The type.")
    description: Text | None = Field(None, description="What the value is for.")
    enum: list[Choice] | None = Field(
        None, min_length=1, max_length=MAX_ENUM, description="The only values: strings, numbers, true, false."
    )
    properties: dict[str, ValueSchema] | None = Field(
        None, max_length=MAX_PROPERTIES, description="The properties of an object, by name."
    )
    required: list[str] | None = Field(None, description="The properties that every object has.")
    additional_properties: (
        Annotated[
            Annotated[Switch, Tag("(allowed)")] | Annotated[ValueSchema, Tag("(schema)")],
            Discriminator(lambda value: "(schema)" if isinstance(value, (dict, ValueSchema)) else "(allowed)"),
        ]
        | None
    ) = Field(
        None,
        alias="additionalProperties",
        description="Whether an object may have other properties (default true), or their type.",
    )
    items: ValueSchema | None = Field(None, description="The type of an array's items.")
    any_of: list[ValueSchema] | None = Field(
        None, alias="anyOf", min_length=1, max_length=20, description="The value has at least one of these types."
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> ValueSchema:
        if self.type is None and self.enum is None and self.any_of is None:
            raise PydanticCustomError("schema-type", "a schema needs `type`, `enum` or `anyOf`", {})
        if self.any_of is not None and (self.type is not None or self.enum is not None):
            message = "`anyOf` takes no `type` or `enum` beside it"
            raise PydanticCustomError("schema-type", message, {"path": ("anyOf",)})
        for key, value, kind in (
            ("properties", self.properties, "object"),
            ("required", self.required, "object"),
            ("additionalProperties", self.additional_properties, "object"),
            ("items", self.items, "array"),
        ):
            if value is not None and self.type != kind:
                message = "`{key}` needs `type: {kind}`"
                raise PydanticCustomError("schema-type", message, {"key": key, "kind": kind, "path": (key,)})
        for index, name in enumerate(self.required or ()):
            if name not in (self.properties or {}):
                words = {"name": name, "path": ("required", index)}
                raise PydanticCustomError("schema-required", "there is no property `{name}`", words)
        return self


def mismatches(schema: Mapping[str, Any], value: Any, path: Route = ()) -> Iterator[tuple[Route, str]]:
    """Where a value is not what a schema (as JSON values) says: the path within the value, and why."""
    if "anyOf" in schema:
        if not any(next(mismatches(one, value), None) is None for one in schema["anyOf"]):
            yield path, f"{shown(value)} has none of the types under `anyOf`"
        return
    kind = schema.get("type")
    if kind is not None and not _TYPES[kind](value):
        yield path, f"{'null' if kind == 'null' else _NOUNS[kind]} is needed here, not {shown(value)}"
        return
    if "enum" in schema and not any(_same(one, value) for one in schema["enum"]):
        yield path, f"{shown(value)} is none of {', '.join(map(shown, schema['enum'][:10]))}"
    if isinstance(value, dict):
        yield from _in_object(schema, value, path)
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from mismatches(schema["items"], item, (*path, index))


def _in_object(schema: Mapping[str, Any], value: dict[str, Any], path: Route) -> Iterator[tuple[Route, str]]:
    properties = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield path, f"the property {name!r} is missing"
    for name, item in value.items():
        if name in properties:
            yield from mismatches(properties[name], item, (*path, name))
        elif others is False:
            yield (*path, name), f"there is no property {name!r}"
        elif others is not True:
            yield from mismatches(others, item, (*path, name))


_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: is_number(value) and float(value).is_integer(),
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}
_NOUNS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
}


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON scalars: `1` is `1.0`, but not `true`."""
    return isinstance(one, bool) is isinstance(other, bool) and bool(one == other)
