"""Generates a TypeScript module with a function for each flag, over one of OpenFeature's SDKs."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from burgee.accessors.flag_types import FlagType
from burgee.accessors.identifiers import camel, identifiers, pascal
from burgee.accessors.literals import comment, is_bare, quoted, typescript_literal
from burgee.accessors.modules import reason, value_schema
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.accessors.flag_types import Typed


class Sdk(StrEnum):
    """OpenFeature's SDKs for TypeScript."""

    SERVER = "server"
    WEB = "web"
    REACT = "react"


RESERVED = frozenset(
    {
        *(
            "arguments",
            "await",
            "break",
            "case",
            "catch",
            "class",
            "const",
            "continue",
            "debugger",
            "default",
            "delete",
        ),
        *(
            "do",
            "else",
            "enum",
            "eval",
            "export",
            "extends",
            "false",
            "finally",
            "for",
            "function",
            "if",
            "implements",
        ),
        *(
            "import",
            "in",
            "instanceof",
            "interface",
            "let",
            "new",
            "null",
            "package",
            "private",
            "protected",
            "public",
        ),
        *("return", "static", "super", "switch", "this", "throw", "true", "try", "typeof", "var", "void", "while"),
        *("with", "yield", "undefined", "async", "client", "context", "oneOf", "otherwise"),
    }
)
RESERVED_TYPES = frozenset({"Client", "EvaluationContext", "JsonValue", "OpenFeature", "Promise", "Record"})
_ONE_OF = """
/** The answer; the default where it is a value that the flag did not have when this module was made. */
function oneOf<T>(found: unknown, choices: readonly T[], otherwise: T): T {
  return choices.includes(found as T) ? (found as T) : otherwise;
}
"""
_IMPORTS = {
    Sdk.SERVER: ["OpenFeature", "type Client", "type EvaluationContext"],
    Sdk.WEB: ["OpenFeature", "type Client"],
    Sdk.REACT: [],
}
_METHODS = {
    FlagType.BOOLEAN: "Boolean",
    FlagType.STRING: "String",
    FlagType.INTEGER: "Number",
    FlagType.FLOAT: "Number",
    FlagType.OBJECT: "Object",
}
_SCALARS = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_PLAIN = {
    FlagType.BOOLEAN: "boolean",
    FlagType.STRING: "string",
    FlagType.INTEGER: "number",
    FlagType.FLOAT: "number",
}


class _Names(NamedTuple):
    """The identifiers of one flag."""

    function: str
    type: str


def generate(flags: Sequence[Typed], deprecated: Mapping[str, str], sdk: Sdk) -> str:
    """The module. `deprecated` gives the days since which settled flags give one answer, by flag."""
    names = [flag.name for flag in flags]
    spell = (lambda name: f"use{pascal(name)}") if sdk is Sdk.REACT else camel
    imported = [f"use{kind}FlagValue" for kind in _METHODS.values()]
    functions = identifiers(names, spell, {*RESERVED, *imported})
    types = identifiers(names, pascal, RESERVED_TYPES)
    parts = [
        _accessor(flag, _Names(functions[flag.name], types[flag.name]), deprecated.get(flag.name), sdk)
        for flag in flags
    ]
    kinds = sorted({_METHODS[flag.type] for flag in flags})
    names = [*_IMPORTS[sdk], *(f"use{kind}FlagValue" for kind in kinds if sdk is Sdk.REACT)]
    names += ["type JsonValue"] if "Object" in kinds else []
    imports = (
        f"import {{ {', '.join(names)} }} from '@openfeature/{sdk}-sdk';\n" if names and flags else "export {};\n"
    )
    head = "// The flags of flags.yaml, each as a function. Made by `burgee generate typescript`: do not edit.\n"
    helper = _ONE_OF if any(flag.choices is not None for flag in flags) else ""
    return "".join([head, "\n", imports, helper, *parts])


def value_type(schema: Mapping[str, Any]) -> str:
    """The type of a schema."""
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(value_type(one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " | ".join(map(typescript_literal, schema["enum"]))
    kind = schema["type"]
    if kind == "array":
        inner = value_type(schema["items"]) if "items" in schema else "unknown"
        return f"({inner})[]" if " " in inner else f"{inner}[]"
    if kind != "object":
        return _SCALARS[kind]
    if schema.get("properties"):
        required = schema.get("required", ())
        fields = [
            f"{name if is_bare(name) else quoted(name)}{'' if name in required else '?'}: {value_type(inner)}"
            for name, inner in schema["properties"].items()
        ]
        return f"{{ {'; '.join(fields)} }}"
    others = schema.get("additionalProperties", True)
    return f"Record<string, {value_type(others) if isinstance(others, dict) else 'unknown'}>"


def _accessor(flag: Typed, names: _Names, day: str | None, sdk: Sdk) -> str:
    if flag.type is FlagType.BOOLEAN:
        meant, alias = "boolean", ""
    else:
        meant = names.type
        alias = f"\nexport type {meant} = {_type(flag)};\n"
    own = flag.default is None
    otherwise = "otherwise" if own else typescript_literal(flag.default)
    said = "It has no default of its own." if own else f"Default: {comment(otherwise)}"
    about = comment(flag.description or "")
    lines = ["/**", f" * Flag `{flag.name}`{': ' + about if about else '.'}", " *", f" * {said}"]
    lines += [f" * @deprecated {reason(day, flag.name)}"] if day is not None else []
    parameters = [f"otherwise: {meant}"] if own else []
    parameters += ["context?: EvaluationContext"] if sdk is Sdk.SERVER else []
    parameters += ["client: Client = OpenFeature.getClient()"] if sdk is not Sdk.REACT else []
    returned = f"Promise<{meant}>" if sdk is Sdk.SERVER else meant
    kind = "export async function" if sdk is Sdk.SERVER else "export function"
    start = f"{kind} {names.function}({', '.join(parameters)}): {returned} {{"
    lines += [" */", start, f"  return {_asked(flag, otherwise, meant, sdk)};", "}"]
    return f"{alias}\n" + "\n".join(lines) + "\n"


def _type(flag: Typed) -> str:
    if flag.type is FlagType.OBJECT:
        return value_type(value_schema(flag))
    return _PLAIN[flag.type] if flag.choices is None else " | ".join(map(typescript_literal, flag.choices))


def _asked(flag: Typed, otherwise: str, meant: str, sdk: Sdk) -> str:
    """The expression that asks for a flag, of the accessor's type."""
    key, kind = quoted(flag.name), _METHODS[flag.type]
    value = "Value<JsonValue>" if flag.type is FlagType.OBJECT else "Value"
    plain = otherwise
    if otherwise == "otherwise" and flag.type is FlagType.OBJECT:
        plain = "otherwise as never"
    if sdk is Sdk.REACT:
        asked = f"use{kind}Flag{value}({key}, {plain})"
    elif sdk is Sdk.WEB:
        asked = f"client.get{kind}{value}({key}, {plain})"
    else:
        asked = f"await client.get{kind}{value}({key}, {plain}, context)"
    if flag.type is FlagType.OBJECT:
        return f"({asked}) as unknown as {meant}"
    if flag.choices is None:
        return asked
    choices = f"[{', '.join(map(typescript_literal, flag.choices))}]"
    return f"oneOf<{meant}>({asked}, {choices}, {otherwise})"
