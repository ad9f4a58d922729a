"""Converts JSON Logic's conditions to `when:` mappings, for importers of engines that use it.

JSON Logic converts values of different types before comparing; here only equal types compare. The converted
conditions cover missing attributes; for "5" against 5 and the like the answers differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.evaluation.semver import parse_version
from burgee.importers.base import NoEquivalent, attribute, both, either, negated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from burgee.flagfile.yaml_reader import KeyPath

    When: TypeAlias = dict[str, Any] | bool

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NUMERIC = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_VERSIONS = {"=": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
CONDITIONS = frozenset({"==", "===", "!=", "!==", "<", "<=", ">", ">=", "!", "!!", "in"})
"""Operators whose result is always true or false."""


class Attribute(NamedTuple):
    """A `var`, and its default if it is missing."""

    path: str
    default: Any = None


class Constant(NamedTuple):
    """A value that does not depend on the context."""

    value: Any


@dataclass(frozen=True, slots=True)
class ConditionReader:
    """Converts conditions. `constants` are known vars, `names` maps vars that have another name here.

    `loose_null`: a missing attribute equals 0 and false. `refs` are the names of shared conditions.
    """

    constants: Mapping[str, Any] = field(default_factory=dict)
    names: Mapping[str, Attribute] = field(default_factory=dict)
    refs: Mapping[str, str] = field(default_factory=dict)
    loose_null: bool = True

    def when(self, node: Any, path: KeyPath) -> When:
        """The condition that a node is truthy."""
        if not isinstance(node, dict):
            return bool(node)
        operator, arguments = operation(node, path)
        here = (*path, operator)
        if operator == "and":
            return both(*(self.when(one, (*here, index)) for index, one in enumerate(arguments)))
        if operator == "or":
            return either(*(self.when(one, (*here, index)) for index, one in enumerate(arguments)))
        if operator in {"!", "!!"} and len(arguments) == 1:
            held = self.when(arguments[0], here)
            return negated(held) if operator == "!" else held
        if operator in {"if", "?:"}:
            return self._if(arguments, here)
        if operator == "$ref":
            return self._ref(arguments, here)
        if operator == "var":
            return self._truthy(self.operand(node, path))
        if operator in {"==", "===", "!=", "!=="}:
            held = self._equal(*self._two(arguments, here), strict=len(operator) == 3, path=here)
            return negated(held) if operator.startswith("!") else held
        if operator in _NUMERIC:
            return self._ordered(operator, [self.operand(one, here) for one in arguments], here)
        if operator == "in":
            return self._in(*self._two(arguments, here), here)
        if operator in {"starts_with", "ends_with"}:
            return self._affix(operator, *self._two(arguments, here), here)
        if operator == "sem_ver":
            return self._version(arguments, here)
        raise NoEquivalent(f"`{operator}` has no equivalent", here)

    def operand(self, node: Any, path: KeyPath) -> Attribute | Constant:
        """An operand of a comparison."""
        if isinstance(node, list):
            return Constant([self._scalar(one, (*path, index)) for index, one in enumerate(node)])
        if not isinstance(node, dict):
            return Constant(node)
        operator, arguments = operation(node, path)
        if operator != "var" or not arguments or not isinstance(arguments[0], str) or not arguments[0]:
            raise NoEquivalent(f"comparing with the result of `{operator}` has no equivalent", path)
        name = arguments[0]
        if name in self.constants:
            return Constant(self.constants[name])
        if name.startswith("$"):
            raise NoEquivalent(f"`{name}` has no equivalent", path)
        default = self._scalar(arguments[1], path) if len(arguments) > 1 else None
        return self.names[name] if name in self.names else Attribute(attribute(name, path), default)

    def _scalar(self, node: Any, path: KeyPath) -> Any:
        if isinstance(node, (dict, list)):
            raise NoEquivalent("a list of other than plain values has no equivalent", path)
        return node

    def _two(self, arguments: list[Any], path: KeyPath) -> tuple[Attribute | Constant, Attribute | Constant]:
        if len(arguments) != 2:
            raise NoEquivalent(f"`{path[-1]}` takes two values", path)
        return self.operand(arguments[0], path), self.operand(arguments[1], path)

    def _if(self, arguments: list[Any], path: KeyPath) -> When:
        """Contexts that meet the first condition are judged by its branch, all others by the rest."""
        if not arguments:
            return False
        if len(arguments) == 1:
            return self.when(arguments[0], (*path, 0))
        test, then = self.when(arguments[0], (*path, 0)), self.when(arguments[1], (*path, 1))
        return either(both(test, then), both(negated(test), self._if(arguments[2:], path)))

    def _ref(self, arguments: list[Any], path: KeyPath) -> When:
        name = str(arguments[0]) if arguments else ""
        if name not in self.refs:
            raise NoEquivalent(f"there is no usable shared condition {name!r}", path)
        return {"segment": self.refs[name]}

    def _truthy(self, one: Attribute | Constant) -> When:
        if isinstance(one, Constant):
            return bool(one.value)
        present = {one.path: {"exists": True}, "not": {one.path: [False, 0, ""]}}
        return self._or_missing(one, present, missing=bool(one.default))

    def _or_missing(self, one: Attribute, held: When, *, missing: bool) -> When:
        """A condition on a present attribute, and whether it holds if the attribute is missing."""
        return either(held, {one.path: {"exists": False}}) if missing else held

    def _equal(self, one: Attribute | Constant, other: Attribute | Constant, *, strict: bool, path: KeyPath) -> When:
        if isinstance(one, Constant):
            if isinstance(other, Constant):
                return _alike(one.value, other.value, path)
            one, other = other, one
        if isinstance(other, Attribute):
            raise NoEquivalent("comparing two attributes has no equivalent", path)
        value = other.value
        if isinstance(value, list):
            raise NoEquivalent("comparing with a list has no equivalent", path)
        if value is None:
            return {one.path: {"exists": False}} if one.default is None else False
        zero = self.loose_null and not strict and isinstance(value, (bool, int, float)) and value == 0
        missing = zero if one.default is None else _alike(one.default, value, path)
        return self._or_missing(one, {one.path: value}, missing=missing)

    def _ordered(self, operator: str, operands: list[Attribute | Constant], path: KeyPath) -> When:
        """`a < b`, and `a < b < c` as both."""
        if len(operands) == 3:
            first, second, third = operands
            return both(
                self._ordered(operator, [first, second], path), self._ordered(operator, [second, third], path)
            )
        if len(operands) != 2:
            raise NoEquivalent(f"`{operator}` takes two or three values", path)
        one, other = operands
        if isinstance(one, Constant):
            one, other, operator = other, one, _FLIPPED[operator]
        if isinstance(one, Constant) or isinstance(other, Attribute):
            raise NoEquivalent("only an attribute and a number can be compared by size", path)
        bound = other.value
        if isinstance(bound, bool) or not isinstance(bound, (int, float)):
            raise NoEquivalent(f"comparing by size with {bound!r} has no equivalent: only numbers have", path)
        default = 0 if one.default is None else one.default
        if isinstance(default, bool) or not isinstance(default, (int, float)):
            raise NoEquivalent(f"{default!r} as a default has no equivalent beside a number", path)
        exact = operator if self.loose_null or one.default is not None else operator[0]
        missing = {"<": default < bound, "<=": default <= bound, ">": default > bound, ">=": default >= bound}[exact]
        return self._or_missing(one, {one.path: {_NUMERIC[operator]: bound}}, missing=missing)

    def _in(self, needle: Attribute | Constant, hay: Attribute | Constant, path: KeyPath) -> When:
        if isinstance(hay, Attribute):
            if not isinstance(needle, Constant) or not isinstance(needle.value, str):
                raise NoEquivalent("searching an attribute for anything but a string has no equivalent", path)
            missing = isinstance(hay.default, str) and needle.value in hay.default
            return self._or_missing(hay, {hay.path: {"contains": needle.value}}, missing=missing)
        if isinstance(needle, Constant):
            if isinstance(hay.value, str) and not isinstance(needle.value, str):
                raise NoEquivalent(f"searching a string for {needle.value!r} has no equivalent", path)
            return isinstance(hay.value, (str, list)) and needle.value in hay.value
        if not isinstance(hay.value, list):
            raise NoEquivalent(f"searching the string {hay.value!r} for an attribute has no equivalent", path)
        values = [value for value in hay.value if value is not None]
        missing = needle.default in hay.value
        return self._or_missing(needle, {needle.path: values} if values else False, missing=missing)

    def _affix(self, operator: str, one: Attribute | Constant, other: Attribute | Constant, path: KeyPath) -> When:
        if not isinstance(one, Attribute) or not isinstance(other, Constant):
            raise NoEquivalent(f"`{operator}` has an equivalent for an attribute and a string only", path)
        if not isinstance(other.value, str):
            return False
        found = isinstance(one.default, str) and getattr(one.default, operator.replace("_", ""))(other.value)
        return self._or_missing(one, {one.path: {operator: other.value}}, missing=found)

    def _version(self, arguments: list[Any], path: KeyPath) -> When:
        """flagd's `^` means the same major version, its `~` the same minor one."""
        operands = [self.operand(one, path) for one in arguments]
        if len(operands) != 3 or not isinstance(operands[1], Constant) or not isinstance(operands[2], Constant):
            raise NoEquivalent("`sem_ver` takes an attribute, an operator and a version", path)
        one, operator, text = operands[0], str(operands[1].value), _padded(str(operands[2].value))
        version = parse_version(text)
        if not isinstance(one, Attribute) or one.default is not None or version is None:
            raise NoEquivalent("`sem_ver` has an equivalent for an attribute and a semantic version only", path)
        major, minor, _, _ = version
        if operator == "^":
            return {one.path: {"semver_gte": f"{major}.0.0-0", "semver_lt": f"{major + 1}.0.0-0"}}
        if operator == "~":
            return {one.path: {"semver_gte": f"{major}.{minor}.0-0", "semver_lt": f"{major}.{minor + 1}.0-0"}}
        if operator not in _VERSIONS:
            raise NoEquivalent(f"`sem_ver` has no operator {operator!r}", path)
        return {one.path: {f"semver_{_VERSIONS[operator]}": text}}


def operation(node: dict[str, Any], path: KeyPath) -> tuple[str, list[Any]]:
    """A node's operator and its arguments; a single argument needs no list."""
    if len(node) != 1:
        raise NoEquivalent("an object that is not an operation has no equivalent", path)
    ((operator, arguments),) = node.items()
    return operator, arguments if isinstance(arguments, list) else [arguments]


def _padded(text: str) -> str:
    """Completes a partial version, and drops a leading V."""
    bare = text[1:] if text[:1] in {"v", "V"} else text
    numbers = bare.split("-")[0].split("+")[0]
    return numbers + ".0" * max(0, 2 - numbers.count(".")) + bare[len(numbers) :]


def _alike(one: Any, other: Any, path: KeyPath) -> bool:
    """Whether two plain values of one type are equal; raises for two types, as JSON Logic would convert them."""
    if type(one) is type(other) or {type(one), type(other)} == {int, float}:
        return bool(one == other)
    if one is None or other is None:
        return False
    raise NoEquivalent(f"comparing {one!r} with {other!r} has no equivalent", path)
