"""A flag file with every type, whose users choose their variant, and what a module of it answers when it is wrong."""

from __future__ import annotations

import json
from random import Random
from typing import Any

VALUES: dict[str, dict[str, Any]] = {
    "checkout-colour": {"blue": "#00a", "green": '#0"a0'},
    "retries": {"few": 1, "many": -5},
    "rate": {"low": 1.0, "high": 2.5},
    "upload_limits": {"small": {"megabytes": 5}, "large": {"megabytes": 50, "formats": ["png"], "scan": None}},
    "hosts": {"one": ["a"], "two": ["a", 1, {"x": 1.5, "class": True}]},
}
"""The values of flags with variants, by variant; the first is the off variant."""
SCHEMA = """\
{type: object, required: [megabytes], properties: {megabytes: {type: integer},
      formats: {type: array, items: {enum: [png, pdf]}}, scan: {anyOf: [{type: boolean}, {type: "null"}]}}}"""


def flag_file() -> str:
    """A file in which the attribute `want` names the variant that a user gets."""
    lines = ["version: 1", "flags:"]
    about = 'The \\"new\\" search. */ \\"\\"\\" \\\\ ${end}'
    lines += [f'  beta: {{description: "{about}", client: true, status: on, rules: [{{when: {{want: on}}}}],']
    lines += ["    default: {serve: off}}"]
    for name, values in VALUES.items():
        rules = ", ".join(f"{{when: {{want: {one}}}, serve: {one}}}" for one in values)
        lines += [f"  {name}:", "    client: true", "    status: on", f"    variants: {json.dumps(values)}"]
        lines += [f"    schema: {SCHEMA}"] if name == "upload_limits" else []
        lines += [f"    off_variant: {next(iter(values))}", f"    rules: [{rules}]"]
        lines += [f"    default: {{serve: {next(iter(values))}}}"]
    lines += ["  nameless: {client: true, status: on, variants: {a: x, b: y}, default: {serve: a}}"]
    return "\n".join(lines) + "\n"


# The same names later: one is gone, one has another type, one serves a value that was unknown, two are mere names.
LATER = """\
version: 1
flags:
  retries: {client: true, status: on, variants: {few: one}, default: {serve: few}}
  checkout-colour: {client: true, status: on, variants: {red: "#a00"}, default: {serve: red}}
"""

KEYS = [
    "a",
    "b-c",
    "class",
    "__x",
    "ключ",
    "x y",
    "'\"",
    "\\",
    "constructor",
    "1a",
    "A",
    "items",
    "$",
    "type",
    "__proto__",
]
TEXTS = ["", "x", '"quote"', "a\\b", "\n", "*/", "${x}", "\u2028", "\u202e", '"""', "'"]
NAMES = [
    "list",
    "def",
    "a-b",
    "a_b",
    "A.b",
    "Promise",
    "Any",
    "T",
    "client",
    "context",
    "default",
    "otherwise",
    "found",
]
NAMES += [
    "api",
    "Record",
    "OpenFeature",
    "oneOf",
    "2nd",
    "await",
    "str",
    "Literal",
    "x.y.z",
    "API",
    "apiV2",
    "TypedDict",
]
NAMES += ["boolean-flag-value", "objectFlagValue", "a_b_35c2229e"]
NAMES += ["JsonValue", "Client", "int", "bool", "object", "string", "number", "boolean", "constructor", "class"]


def odd_flags(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Definitions whose names, texts, values and schemas are as odd as a file allows."""
    random = Random(seed)
    flags = {}
    for name in [*NAMES, *(f"flag{number}" for number in range(80))]:
        made: dict[str, Any] = {"description": random.choice(TEXTS) + " " + random.choice(TEXTS)}
        kind = random.choice(["boolean", "text", "whole", "real", "object", "list", "schema"])
        if kind == "text":
            made["variants"] = {str(one): random.choice(TEXTS) + str(one) for one in range(3)}
        elif kind == "whole":
            made["variants"] = {str(one): random.choice([0, -5, 10**17]) + one for one in range(3)}
        elif kind == "real":
            made["variants"] = {"0": 1.0, "1": -2.5}
        elif kind != "boolean":
            empty: Any = [] if kind == "list" else {}
            made["variants"] = {"0": empty, **{str(one): _inside(random, kind) for one in (1, 2)}}
            made |= {"schema": _schema(random)} if kind == "schema" else {}
        made |= {"off_variant": "0"} if "variants" in made and random.random() < 0.8 else {}
        flags[name] = [made]
    return flags


def _inside(random: Random, kind: str, depth: int = 1) -> Any:
    if kind == "list":
        return [_value(random, depth) for _ in range(3)]
    return {key: _value(random, depth) for key in random.sample(KEYS, random.randrange(4))}


def _value(random: Random, depth: int) -> Any:
    if depth < 4 and random.random() < 0.5:
        return _inside(random, random.choice(["list", "object"]), depth + 1)
    return random.choice([True, None, 0, -7, 1.5, 1.0, *TEXTS])


def _schema(random: Random, depth: int = 0) -> dict[str, Any]:
    kind = random.choice(["plain", "enum", "anyOf", "array", "object", "object"]) if depth < 4 else "plain"
    if kind == "enum":
        return {"enum": random.sample([1, 2.5, "x", '"', True, False, -3], random.randrange(1, 4))}
    if kind == "anyOf":
        return {"anyOf": [_schema(random, depth + 1) for _ in range(random.randrange(1, 4))]}
    if kind == "array":
        return {"type": "array", "items": _schema(random, depth + 1)}
    if kind == "object":
        found = {key: _schema(random, depth + 1) for key in random.sample(KEYS, random.randrange(4))}
        others = {"additionalProperties": random.choice([True, False, _schema(random, depth + 1)])}
        return {"type": "object", "properties": found, "required": list(found)[:1], **others}
    return {"type": random.choice(["string", "integer", "number", "boolean", "null"])}
