"""A flag file with every type, whose users choose their variant, and what a module of it answers when it is wrong."""

from __future__ import annotations

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
        lines += [f"  {name}:", "    client: true", "    status: on", f"    variants: {written(values)}"]
        lines += [f"    schema: {SCHEMA}"] if name == "upload_limits" else []
        lines += [f"    off_variant: {next(iter(values))}", f"    rules: [{rules}]"]
        lines += [f"    default: {{serve: {next(iter(values))}}}"]
    lines += ["  nameless: {client: true, status: on, variants: {a: x, b: y}, default: {serve: a}}"]
    return "\n".join(lines) + "\n"


def written(values: Any) -> str:
    import json

    return json.dumps(values)


# The same names later: one is gone, one has another type, one serves a value that was unknown, two are mere names.
LATER = """\
version: 1
flags:
  retries: {client: true, status: on, variants: {few: one}, default: {serve: few}}
  checkout-colour: {client: true, status: on, variants: {red: "#a00"}, default: {serve: red}}
"""
