"""Generates a Python module with a function for each flag, over OpenFeature's SDK."""

from __future__ import annotations

import builtins
import keyword
from typing import TYPE_CHECKING, Any

from burgee.accessors.flag_types import FlagType
from burgee.accessors.identifiers import identifiers, pascal, snake
from burgee.accessors.literals import docstring, is_bare, python_literal, quoted
from burgee.accessors.modules import reason, value_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from burgee.accessors.flag_types import Typed

TAKEN = frozenset({*keyword.kwlist, *dir(builtins), "annotations", "api", "deprecated"})
TAKEN_TYPES = frozenset(
    {
        *(
            "Any",
            "TYPE_CHECKING",
            "EvaluationContext",
            "Literal",
            "NotRequired",
            "OpenFeatureClient",
            "TypeAlias",
            "TypedDict",
        ),
        *("TypeVar", *dir(builtins)),
    }
)
_HEAD = '''\
"""The flags of flags.yaml, each as a function. Made by `burgee generate python`: do not edit."""

# ruff: noqa
# fmt: off
from __future__ import annotations
'''
_DEPRECATED = """
if TYPE_CHECKING:
    from typing_extensions import deprecated
else:

    def deprecated(message, *, category):
        return lambda function: function
"""
# For type checkers, which all know that module: it need not be installed.
_ALIASES = """
_Context: TypeAlias = "EvaluationContext | None"
_Client: TypeAlias = "OpenFeatureClient | None"
"""
_ONE_OF = '''
_T = TypeVar("_T")


def _one_of(found: object, choices: tuple[_T, ...], default: _T) -> _T:
    """The answer; the default where it is a value that the flag did not have when this module was made."""
    return next((one for one in choices if one == found), default)
'''
_OBJECT = """

def _object(flag: str, default: Any, context: _Context, client: _Client) -> Any:
    return (client or api.get_client()).get_object_value(flag, default, context)
"""
_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_PLAIN = {
    FlagType.BOOLEAN: "bool",
    FlagType.STRING: "str",
    FlagType.INTEGER: "int",
    FlagType.FLOAT: "float",
}


def generate(flags: Sequence[Typed], deprecated: Mapping[str, str]) -> str:
    """The module. `deprecated` gives the days since which settled flags give one answer, by flag."""
    return _Module(flags).text(flags, deprecated)


class _Module:
    """A module in the making: what it has to import, and the names that it uses."""

    def __init__(self, flags: Sequence[Typed]) -> None:
        names = [flag.name for flag in flags]
        self.functions = identifiers(names, snake, TAKEN)
        self.types = identifiers(names, pascal, TAKEN_TYPES)
        self.taken = {*self.types.values(), *TAKEN_TYPES}
        self.typing = {"TypeAlias"}
        self.helpers: set[str] = set()

    def text(self, flags: Sequence[Typed], deprecated: Mapping[str, str]) -> str:
        """The whole module."""
        types = [part for flag in flags for part in self.alias(flag)]
        functions = [self.function(flag, deprecated.get(flag.name)) for flag in flags]
        marked = any(flag.name in deprecated for flag in flags)
        self.typing |= {"TypeVar"} if _ONE_OF in self.helpers else set()
        self.typing |= {"Any"} if _OBJECT in self.helpers else set()
        self.typing |= {"TYPE_CHECKING"} if marked else set()
        imports = [
            f"\nfrom typing import {', '.join(sorted(self.typing))}\n",
            "\nfrom openfeature import api\nfrom openfeature.client import OpenFeatureClient\n",
            "from openfeature.evaluation_context import EvaluationContext\n",
            *([_DEPRECATED] if marked else []),
            _ALIASES,
        ]
        helpers = [helper for helper in (_ONE_OF, _OBJECT) if helper in self.helpers]
        return "".join([_HEAD, *imports, *helpers, *types, *functions])

    def alias(self, flag: Typed) -> list[str]:
        """The named type of a flag, after those that it consists of; nothing for a boolean."""
        name = self.types[flag.name]
        above: list[str] = []
        if flag.type is FlagType.OBJECT:
            meant = self.value_type(value_schema(flag), name, above)
            if meant == name:
                return above
        elif flag.choices is None or flag.type is FlagType.FLOAT:
            meant = _PLAIN[flag.type]
        else:
            meant = self.literal(flag.choices)
        if flag.type is FlagType.BOOLEAN:
            return []
        return [*above, f"\n{name}: TypeAlias = {quoted(meant) if ' | ' in meant else meant}\n"]

    def literal(self, values: Iterable[Any]) -> str:
        """`Literal` of some values."""
        self.typing.add("Literal")
        return f"Literal[{', '.join(map(python_literal, values))}]"

    def value_type(self, schema: Mapping[str, Any], name: str, above: list[str]) -> str:
        """The type of a schema; classes that it needs are appended to `above`, the outermost under `name`."""
        if "anyOf" in schema:
            parts = [self.value_type(one, self.fresh(name), above) for one in schema["anyOf"]]
            return " | ".join(dict.fromkeys(parts))
        if "enum" in schema and not any(isinstance(one, float) for one in schema["enum"]):
            return self.literal(schema["enum"])
        kind = schema.get("type", "number")
        if kind == "array":
            inner = (
                self.value_type(schema["items"], self.fresh(f"{name}Item"), above)
                if "items" in schema
                else self.any()
            )
            return f"list[{inner}]"
        if kind != "object":
            return _SCALARS[kind]
        if schema.get("properties"):
            return self.typed_dict(schema, name, above)
        others = schema.get("additionalProperties", True)
        inner = self.value_type(others, self.fresh(f"{name}Value"), above) if isinstance(others, dict) else self.any()
        return f"dict[str, {inner}]"

    def any(self) -> str:
        """`Any`."""
        self.typing.add("Any")
        return "Any"

    def fresh(self, name: str) -> str:
        """A name for a class that is not taken; it is taken only if a class is made."""
        return (
            name
            if name not in self.taken
            else next(
                found for number in range(2, len(self.taken) + 3) if (found := f"{name}{number}") not in self.taken
            )
        )

    def typed_dict(self, schema: Mapping[str, Any], name: str, above: list[str]) -> str:
        """A `TypedDict` of the properties; as a call where a property is not an identifier."""
        self.typing.add("TypedDict")
        self.taken.add(name)
        required, rows = schema.get("required", ()), []
        for key, inner in schema["properties"].items():
            meant = self.value_type(inner, self.fresh(f"{name}{pascal(key)}"), above)
            if key not in required:
                self.typing.add("NotRequired")
                meant = f"NotRequired[{meant}]"
            rows.append((key, meant))
        if all(is_bare(key) and not keyword.iskeyword(key) and not key.startswith("__") for key, _ in rows):
            above.append(f"\n\nclass {name}(TypedDict):\n" + "".join(f"    {key}: {meant}\n" for key, meant in rows))
        else:
            fields = "".join(f"    {quoted(key)}: {quoted(meant)},\n" for key, meant in rows)
            above.append(f"\n{name} = TypedDict({quoted(name)}, {{\n{fields}}})\n")
        return name

    def function(self, flag: Typed, day: str | None) -> str:
        """The function of a flag."""
        name = self.functions[flag.name]
        meant = "bool" if flag.type is FlagType.BOOLEAN else self.types[flag.name]
        own = flag.default is None
        otherwise = "default" if own else python_literal(flag.default)
        lines = ["\n"]
        if day is not None:
            lines.append(f"@deprecated({quoted(reason(day, flag.name))}, category=None)")
        first = f"default: {meant}, " if own else ""
        lines += [
            f"def {name}({first}context: _Context = None, client: _Client = None) -> {meant}:",
            *_docstring(flag, None if own else otherwise),
            *self.body(flag, otherwise, meant),
        ]
        return "\n".join(lines) + "\n"

    def body(self, flag: Typed, otherwise: str, meant: str) -> list[str]:
        """The lines that ask for the flag."""
        key = quoted(flag.name)
        if flag.type is FlagType.OBJECT:
            self.helpers.add(_OBJECT)
            return [f"    found: {meant} = _object({key}, {otherwise}, context, client)", "    return found"]
        asked = f"(client or api.get_client()).get_{flag.type}_value({key}, {otherwise}, context)"
        if flag.choices is None or flag.type is FlagType.FLOAT:
            return [f"    return {asked}"]
        self.helpers.add(_ONE_OF)
        choices = ", ".join(map(python_literal, flag.choices)) + ("," if len(flag.choices) == 1 else "")
        return [f"    return _one_of({asked}, ({choices}), {otherwise})"]


def _docstring(flag: Typed, default: str | None) -> list[str]:
    said = f"Default: {docstring(default)}" if default is not None else "It has no default of its own."
    about = docstring(flag.description or "")
    return [f'    """Flag `{flag.name}`{": " + about if about else "."}', "", f"    {said}", '    """']
