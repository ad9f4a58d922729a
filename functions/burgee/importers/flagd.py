"""flagd's flag definitions to flags.yaml."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from burgee.evaluation.hash_strategies import strategy
from burgee.flagfile.fields import NAME_PATTERN
from burgee.importers.base import (
    Generation,
    Imported,
    NoEquivalent,
    both,
    ensures,
    ensures_presence,
    ensures_text,
    negated,
)
from burgee.importers.hashing import Hashing, hashing_keys
from burgee.importers.jsonlogic import CONDITIONS, Attribute, ConditionReader, Constant, operation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from burgee.flagfile.yaml_reader import Document, KeyPath

    When: TypeAlias = dict[str, Any] | bool

KEYS = {"state", "variants", "defaultVariant", "targeting", "metadata"}
MAX_WEIGHT = 1_000_000
MISSING = "null"
"""The string that joining gives for a missing attribute."""


class TargetingLeaf(NamedTuple):
    """What is served: a variant, shares to several, or None for the flag's default variant."""

    serve: str | None = None
    split: Mapping[str, int] | None = None
    hashing: Hashing | None = None


TargetingEntry: TypeAlias = "tuple[When, TargetingLeaf]"


def import_flagd(document: Document, generation: Generation) -> Imported:
    """Converts a flagd file; reports parts without an equivalent."""
    made = Imported(document)
    value = document.value
    flags = dict(_keyed(made, value.get("flags"))) if isinstance(value, dict) else {}
    if not isinstance(value, dict) or not isinstance(value.get("flags"), (dict, list)):
        made.leave_out("the file", ("flags",), "`flags` is a mapping of flags by key, or a list, in a flagd file")
        return made
    shared = value.get("$evaluators", {})
    shared = shared if isinstance(shared, dict) else {}
    common = value.get("metadata")
    common = common if isinstance(common, dict) else {}
    file = _File(made, _segments(made, shared), shared, generation, common)
    for key in value.keys() - {"flags", "$evaluators", "$schema", "metadata"}:
        made.not_carried("the file", (key,), f"{key!r}")
    for name, (flag, path) in flags.items():
        made.place_flag(name, path)
        try:
            made.flags[name] = _FlagdFlag(file, name, flag, path).definition()
        except NoEquivalent as found:
            made.leave_out(name, found.path or path, str(found))
    used = set(_used(made.flags))
    for name, segment in made.segments.items():  # each may use those after it
        used |= set(_used(segment)) if name in used else set()
    made.segments = {name: segment for name, segment in made.segments.items() if name in used}
    return made


def _keyed(made: Imported, flags: Any) -> Iterator[tuple[str, tuple[Any, KeyPath]]]:
    """Flags with their places: from a mapping by key, or from a list of flags with a `key` each."""
    if isinstance(flags, dict):
        yield from ((name, (flag, ("flags", name))) for name, flag in flags.items())
        return
    seen: set[str] = set()
    for index, flag in enumerate(flags if isinstance(flags, list) else ()):
        path: KeyPath = ("flags", index)
        key = flag.get("key") if isinstance(flag, dict) else None
        if not isinstance(key, str):
            made.leave_out(f"flag {index + 1}", path, "it has no `key`")
        elif key in seen:
            made.leave_out(key, path, "another flag of the list has the same key")
        else:
            seen.add(key)
            yield key, ({name: value for name, value in flag.items() if name != "key"}, path)


def _segments(made: Imported, shared: Mapping[str, Any]) -> dict[str, str]:
    """Converts shared conditions to segments: segment names by flagd's names.

    flagd substitutes them one after the other, so each may refer to later ones.
    """
    refs: dict[str, str] = {}
    for name, node in reversed(list(shared.items())):
        segment = re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip("._-") or "shared"
        path = ("$evaluators", name)
        try:
            when = ConditionReader(refs=refs).when(node, path)
        except NoEquivalent as found:
            made.leave_out(f"the shared condition {name!r}", found.path, str(found))
            continue
        if isinstance(when, dict) and segment not in made.segments:
            made.segments[segment] = {"when": when}
            refs[name] = segment
    made.segments = dict(reversed(list(made.segments.items())))
    return refs


def _used(node: Any) -> Iterator[str]:
    """The segments that conditions refer to."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        if key == "segment" and isinstance(value, str):
            yield value
        else:
            yield from _used(value)


class _File(NamedTuple):
    """Shared data of a file's flags."""

    made: Imported
    refs: Mapping[str, str]
    shared: Mapping[str, Any]
    generation: Generation
    metadata: Mapping[str, Any]


class _FlagdFlag:
    """Converts one flag."""

    def __init__(
        self,
        file: _File,
        name: str,
        flag: Any,
        path: KeyPath,
    ) -> None:
        self.path = path
        if not isinstance(flag, dict) or not isinstance(flag.get("variants"), dict) or not flag["variants"]:
            raise NoEquivalent("it has no variants", self.path)
        if not re.fullmatch(NAME_PATTERN, name) or len(name) > 255:
            raise NoEquivalent("its key is not a valid name: use letters, digits, `.`, `_` and `-`", self.path)
        self.made, self.name, self.flag, self.shared = file.made, name, flag, file.shared
        self.common = file.metadata
        self.cbor = file.generation is Generation.CBOR
        self.variants: Mapping[str, Any] = flag["variants"]
        self.reader = ConditionReader(constants={"$flagd.flagKey": name}, refs=file.refs)

    def definition(self) -> dict[str, Any]:
        """The flag in the grammar of flags.yaml."""
        for key in self.flag.keys() - KEYS:
            self.made.not_carried(self.name, (*self.path, key), f"{key!r}")
        converted = self.made.described(self.name, self.metadata(), (*self.path, "metadata"))
        on = self.flag.get("state") == "ENABLED"
        default = self.flag.get("defaultVariant") or None
        if default is not None:
            default = self.known(_variant(default), (*self.path, "defaultVariant"))
        converted |= {"status": "on" if on else "off"}
        targeting = self.flag.get("targeting")
        entries = list(self.entries(targeting, True, (*self.path, "targeting"))) if targeting else []
        hashings: list[tuple[dict[str, Any], Hashing]] = []
        decided = _decisions([*entries, (True, TargetingLeaf())], default, next(iter(self.variants)), hashings)
        converted |= hashing_keys(self.name, None, hashings)
        if {**self.variants} != {"on": True, "off": False} or not on or "rollout_percentage" in decided:
            converted["variants"] = dict(self.variants)
        return {**converted, **decided}

    def metadata(self) -> dict[str, Any]:
        """The file's metadata, overridden by the flag's own."""
        own = self.flag.get("metadata")
        return {**self.common, **(own if isinstance(own, dict) else {})}

    def known(self, variant: str, path: KeyPath) -> str:
        """Checks that the flag has a variant."""
        if variant not in self.variants:
            raise NoEquivalent(f"it serves {variant!r}, which is not one of its variants", path)
        if self.variants[variant] is None:
            raise NoEquivalent(f"the variant {variant!r} has no value", path)
        return variant

    def entries(self, node: Any, guard: When, path: KeyPath) -> Iterator[TargetingEntry]:
        """Targeting as conditions and what they serve, in order; the last holds for all that pass the outer
        condition.
        """
        if not isinstance(node, dict):
            yield guard, self.leaf(node, path)
            return
        operator, arguments = operation(node, path)
        here = (*path, operator)
        if operator in {"if", "?:"}:
            yield from self.branches(arguments, guard, here)
        elif operator == "fractional":
            yield from self.fractional(arguments, guard, here)
        elif operator == "$ref" and arguments and str(arguments[0]) in self.shared:
            name = str(arguments[0])
            yield from self.entries(self.shared[name], guard, ("$evaluators", name))
        elif _is_condition(node):
            yield both(guard, self.reader.when(node, path)), self.leaf(True, path)
            yield guard, self.leaf(False, path)
        else:
            raise NoEquivalent(f"serving the result of `{operator}` has no equivalent", here)

    def leaf(self, value: Any, path: KeyPath) -> TargetingLeaf:
        if isinstance(value, list):
            raise NoEquivalent("serving a list has no equivalent", path)
        return TargetingLeaf() if value is None else TargetingLeaf(self.known(_variant(value), path))

    def branches(self, arguments: list[Any], guard: When, path: KeyPath) -> Iterator[TargetingEntry]:
        for index in range(0, len(arguments) - 1, 2):
            test = both(guard, self.reader.when(arguments[index], (*path, index)))
            if test is not False:
                yield from self.entries(arguments[index + 1], test, (*path, index + 1))
        if len(arguments) % 2:
            yield from self.entries(arguments[-1], guard, (*path, len(arguments) - 1))
        else:
            yield guard, TargetingLeaf()

    def fractional(self, arguments: list[Any], guard: When, path: KeyPath) -> Iterator[TargetingEntry]:
        unit, shares = self.unit(arguments, path)
        start = len(arguments) - len(shares)
        for index, share in enumerate(shares):
            node = share[0] if isinstance(share, list) and share else None
            if isinstance(node, dict):
                yield from self.unrolled(arguments, start + index, guard, path)
                return
        weights = self.weights(shares, path)
        if not weights:
            yield guard, TargetingLeaf()
            return
        test, is_enough = self.presence(unit)
        if ensures(guard, unit.attribute, is_enough, self.made.segments):
            yield guard, self.split(unit, weights)
            return
        yield both(guard, {unit.attribute: test}), self.split(unit, weights)
        yield guard, self.without_unit(unit, weights)

    def unrolled(self, arguments: list[Any], index: int, guard: When, path: KeyPath) -> Iterator[TargetingEntry]:
        """An arm that is an `if` becomes as many splits as it has outcomes."""
        share = arguments[index]
        for when, leaf in self.entries(share[0], guard, (*path, index, 0)):
            if leaf.split is not None:
                raise NoEquivalent("a `fractional` in an arm of another has no equivalent", path)
            if when is not False:
                chosen = [*arguments]
                chosen[index] = [leaf.serve, *share[1:]]
                yield from self.fractional(chosen, when, path)

    def unit(self, arguments: list[Any], path: KeyPath) -> tuple[_Unit, list[Any]]:
        """The bucketing value, and the shares that follow it."""
        if not arguments:
            raise NoEquivalent("a `fractional` without shares", path)
        first = arguments[0]
        if isinstance(first, list):
            return _Unit("targetingKey", None, "flagd-cbor" if self.cbor else "flagd-text"), arguments
        operator, parts = operation(first, (*path, 0)) if isinstance(first, dict) else ("", [])
        of_cbor = "flagd-cbor-text" if operator == "cat" else "flagd-cbor-value"
        whole = of_cbor if self.cbor else "flagd-text"
        read = [self.reader.operand(part, (*path, 0)) for part in (parts if operator == "cat" else [first])]
        texts = [one.value for one in read[:-1] if isinstance(one, Constant) and isinstance(one.value, str)]
        if read and isinstance(read[-1], Attribute) and read[-1].default is None and len(texts) == len(read) - 1:
            unit = _Unit(read[-1].path, "".join(texts), whole, self.cbor and operator == "cat")
            self.warn(unit, (*path, 0))
            return unit, arguments[1:]
        why = "this bucketing value has no equivalent; only one attribute, after fixed strings, has one"
        raise NoEquivalent(why, (*path, 0))

    def warn(self, unit: _Unit, path: KeyPath) -> None:
        """Reports what happens if a bucketing value is not a string."""
        if unit.joined:
            which = f"where {unit.attribute!r} is empty, or neither a string nor a whole number"
            self.made.differs(self.name, path, f"{which}, flagd buckets by the joined string; here there is an error")
        elif not self.cbor:
            how = "is not a string, flagd buckets by another value; here the default is served"
            self.made.differs(self.name, path, f"where {unit.attribute!r} {how}")

    @staticmethod
    def presence(unit: _Unit) -> tuple[dict[str, Any], Callable[[Any], bool]]:
        """The test that there is a unit, and which other tests ensure it."""
        if unit.joined or strategy(unit.hash).takes_values:  # any value except null, including the empty string
            return {"exists": True}, ensures_presence
        return {"ne": ""}, ensures_text

    def weights(self, shares: list[Any], path: KeyPath) -> dict[str, int]:
        """The weight of each variant; adjacent shares of the same variant are merged."""
        default = self.flag.get("defaultVariant") or None
        weights: dict[str, int] = {}
        last = None
        for variant, weight in (_share(share, path) for share in shares):
            served = variant if variant is not None else default and _variant(default)
            if not weight:
                continue
            if served is None:
                raise NoEquivalent("a share that serves no variant has no equivalent", path)
            if served in weights and served != last:
                raise NoEquivalent(f"{served!r} has two shares that are not adjacent", path)
            weights[self.known(served, path)] = weights.get(served, 0) + weight
            last = served
        if max(weights.values(), default=0) > MAX_WEIGHT:
            raise NoEquivalent(f"a weight above {MAX_WEIGHT:,} has no equivalent", path)
        return weights

    def split(self, unit: _Unit, weights: Mapping[str, int]) -> TargetingLeaf:
        """What users with the unit get."""
        if len(weights) == 1:
            return TargetingLeaf(next(iter(weights)))
        salt = self.name if unit.salt is None else unit.salt
        return TargetingLeaf(None, weights, Hashing(unit.hash, salt, unit.attribute))

    def without_unit(self, unit: _Unit, weights: Mapping[str, int]) -> TargetingLeaf:
        """What users without the unit get: if a missing attribute is joined as a string, all get the same share."""
        if not unit.joined:
            return TargetingLeaf()
        if len(weights) == 1:
            return TargetingLeaf(next(iter(weights)))
        arms = strategy(unit.hash).arms(unit.salt or "", weights.values())
        place = arms.place(MISSING)
        return TargetingLeaf(next(name for name, bound in zip(weights, arms.bounds, strict=True) if place < bound))


class _Unit(NamedTuple):
    """What a `fractional` buckets by: an attribute after a salt; `joined` if a missing one becomes a string."""

    attribute: str
    salt: str | None
    hash: str
    joined: bool = False


def _share(share: Any, path: KeyPath) -> tuple[str | None, int]:
    if not isinstance(share, list) or not 1 <= len(share) <= 2:
        raise NoEquivalent("a share is a variant and a weight", path)
    weight = share[1] if len(share) == 2 else 1
    if isinstance(weight, bool) or not isinstance(weight, int):
        raise NoEquivalent("a weight that is not a whole number has no equivalent", path)
    return None if share[0] is None else _variant(share[0]), max(weight, 0)


def _variant(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_condition(node: Any) -> bool:
    """Whether a node gives true or false, and nothing else."""
    if isinstance(node, bool):
        return True
    if not isinstance(node, dict) or len(node) != 1:
        return False
    operator, arguments = operation(node, ())
    return operator in CONDITIONS or (
        operator in {"and", "or"} and bool(arguments) and all(map(_is_condition, arguments))
    )


def _decisions(
    entries: list[TargetingEntry],
    default: str | None,
    any_variant: str,
    hashings: list[tuple[dict[str, Any], Hashing]],
) -> dict[str, Any]:
    """`rules` and `default`; if nothing is served, later rules exclude the users concerned.

    `hashings` receives each rule with a split, and what it is hashed by.
    """
    rules: list[dict[str, Any]] = []
    kept: When = True
    for when, leaf in entries:
        condition = both(when, kept)
        serve = leaf.serve or default
        if condition is False:
            continue
        if leaf.split is None and serve is None:
            if when is True:
                return {"rules": rules, "default": {"serve": any_variant}, "rollout_percentage": 0}
            kept = both(kept, negated(when))
        elif condition is True and leaf.split is None:
            return {**({"rules": rules} if rules else {}), "default": {"serve": serve}}
        else:
            outcome = {"split": dict(leaf.split)} if leaf.split is not None else {"serve": serve}
            rules.append({"when": {} if condition is True else condition, **outcome})
            if leaf.hashing is not None:
                hashings.append((rules[-1], leaf.hashing))
    raise AssertionError("the last entry holds for everyone")
