"""Reads definitions with their defaults filled in: the only place that knows a default.

A *definition* is one flag in the grammar of flags.yaml. A *state* is a definition at one time, without `schedule`. An
*owner* is what serves: the flag itself with its `default`, or one of its rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from burgee.evaluation.context import TARGETING_KEY
from burgee.records import NamedTuple
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from burgee.model import Definition

    Route: TypeAlias = tuple[str | int, ...]

SHARE = "$share"
"""The key of a released segment's share of users: `rollout_percentage` and `salt`, perhaps `bucket_by` and `hash`."""
KEYWORDS = frozenset({"any", "all", "not", "segment", SHARE})
"""Keys of a condition that are not attributes."""
BOOLEAN_VARIANTS: Mapping[str, Any] = {"on": True, "off": False}
NEXT = "next"
"""The `without_unit` of contexts that are outside every share if they have no unit."""
DEFAULT_RULE = "default"
"""The `rule` of answers that the flag's own `default` gives."""


def variants(state: Definition) -> Mapping[str, Any]:
    """A flag's values by variant."""
    found: Mapping[str, Any] = state.get("variants", BOOLEAN_VARIANTS)
    return found


def off_variant(state: Definition) -> str | None:
    """The variant that a flag serves while it is off; None for the caller's own default."""
    variant: str | None = state.get("off_variant", None if "variants" in state else "off")
    return variant


def unit_attributes(state: Definition, owner: Mapping[str, Any] | None = None) -> tuple[str, ...]:
    """The attributes that a flag, or one of its rules, buckets on: the first that a context has is the unit."""
    found: str | Sequence[str] = _inherited("bucket_by", state, owner) or TARGETING_KEY
    return (found,) if isinstance(found, str) else tuple(found)


def without_unit(state: Definition, owner: Mapping[str, Any] | None = None) -> str | None:
    """What contexts without a unit get: a variant, or NEXT to be outside every share; None for an error."""
    found: str | None = _inherited("without_unit", state, owner)
    return found


def pinned_hash(state: Definition, owner: Mapping[str, Any] | None = None) -> str | None:
    """The other engine's hash that a flag, or one of its rules, uses; None for ours."""
    found: str | None = _inherited("hash", state, owner)
    return found


def salt(name: str, state: Definition, owner: Mapping[str, Any] | None = None) -> str:
    """The salt of a flag's rollout and split, or of those of one of its rules."""
    found: str | None = _inherited("salt", state, owner)
    return name if found is None else found


def _inherited(key: str, state: Definition, owner: Mapping[str, Any] | None) -> Any:
    """A key of a rule, by default the flag's."""
    found = state.get(key)
    return found if owner is None else owner.get(key, found)


def weights(outcome: Mapping[str, Any]) -> dict[str, float]:
    """The variants that a `default` or a rule serves, each with a weight above zero, in declared order."""
    if "split" in outcome:
        return {variant: weight for variant, weight in outcome["split"].items() if weight > 0}
    if "ranges" in outcome:
        return {variant: end - start for variant, (start, end) in outcome["ranges"].items()}
    return {outcome.get("serve", "on"): 1}


def is_divided(outcome: Mapping[str, Any]) -> bool:
    """Whether what a `default` or a rule serves depends on the unit."""
    return "ranges" in outcome or len(weights(outcome)) > 1


def requirements(state: Definition) -> Iterator[tuple[Route, Mapping[str, Any]]]:
    """Every entry of `requires`, of a flag and of its rules, with the path (keys and indexes) to it."""
    yield from ((("requires", index), entry) for index, entry in enumerate(state.get("requires", ())))
    for number, rule in enumerate(state.get("rules", ())):
        for index, entry in enumerate(rule.get("requires", ())):
            yield ("rules", number, "requires", index), entry


def rule_name(rule: Mapping[str, Any], index: int) -> str:
    """The name of the rule at an index, in answers and reports."""
    name: str = rule.get("name", f"rule {index + 1}")
    return name


class Owner(NamedTuple):
    """What serves: a rule, or the flag itself if `rule` is None.

    `settings` hold `rollout_percentage` and what is hashed, `outcome` holds `serve`, `split` or `ranges`.
    """

    name: str
    rule: int | None
    settings: Mapping[str, Any]
    outcome: Mapping[str, Any]


def owners(state: Definition) -> Iterator[Owner]:
    """The flag itself, then its rules in order."""
    yield Owner(DEFAULT_RULE, None, state, state.get("default", {}))
    for index, rule in enumerate(state.get("rules", ())):
        yield Owner(rule_name(rule, index), index, rule, rule)


def answering_units(state: Definition, owner_name: Any) -> tuple[str, ...]:
    """The attributes that the owner of an answer buckets on, by its name; without an owner, the flag's."""
    owner = next((owner for owner in owners(state) if owner.name == owner_name), None)
    return unit_attributes(state, None if owner is None else owner.settings)


class ScheduleEntry(NamedTuple):
    """A change at one time (epoch seconds): the keys that are set then."""

    at: float
    keys: Mapping[str, Any]


def schedule(definition: Definition) -> list[ScheduleEntry]:
    """The entries of a schedule, earliest first; entries of the same time keep their order."""
    entries = [ScheduleEntry(parse_time(entry["at"]), entry["set"]) for entry in definition.get("schedule", ())]
    return sorted(entries, key=lambda entry: entry.at) if len(entries) > 1 else entries


class DefinitionState(NamedTuple):
    """A definition from a time (epoch seconds) until the next state."""

    since: float
    definition: Definition


class RuleTurn(NamedTuple):
    """A time (epoch seconds) at which a rule begins or ends, by its name and in a word."""

    at: float
    rule: str
    what: str


def rule_turns(state: Definition) -> Iterator[RuleTurn]:
    """When the rules of a definition begin and end, by their `start` and `end`."""
    for index, rule in enumerate(state.get("rules", ())):
        for key, what in (("start", "begins"), ("end", "ends")):
            if key in rule:
                yield RuleTurn(parse_time(rule[key]), rule_name(rule, index), what)


def states(definition: Definition) -> list[DefinitionState]:
    """The states of a definition, earliest first, with the rules in force; the first begins at minus infinity."""
    found = scheduled(definition)
    if not any("start" in rule or "end" in rule for _, state in found for rule in state.get("rules", ())):
        return found
    made = []
    for (since, state), until in zip(found, [*(state.since for state in found[1:]), float("inf")], strict=True):
        turns = {turn.at for turn in rule_turns(state) if since < turn.at < until}
        made += [DefinitionState(at, _in_force(state, at)) for at in (since, *sorted(turns))]
    return made


def _in_force(state: Definition, now: float) -> Definition:
    """A state with the rules that are in force; those without a name keep the one that they have in the file."""
    rules = [
        {"name": rule_name(rule, index), **rule}
        for index, rule in enumerate(state.get("rules", ()))
        if ("start" not in rule or parse_time(rule["start"]) <= now)
        and ("end" not in rule or now < parse_time(rule["end"]))
    ]
    return {**state, "rules": rules}


def scheduled(definition: Definition) -> list[DefinitionState]:
    """The states that a schedule makes, earliest first, each with all its rules, whether in force or not."""
    if "schedule" not in definition:
        return [DefinitionState(float("-inf"), definition)]
    found = [DefinitionState(float("-inf"), {key: value for key, value in definition.items() if key != "schedule"})]
    for at, keys in schedule(definition):
        found.append(DefinitionState(at, {**found[-1].definition, **keys}))
    return found


def state_at(definition: Definition, now: float) -> Definition:
    """The state of a definition at a time in epoch seconds."""
    return [state.definition for state in states(definition) if state.since <= now][-1]


def fragments(definition: Definition) -> Iterator[Mapping[str, Any]]:
    """All keys that a definition has at any time: its own, then those of its schedule."""
    yield definition
    for entry in definition.get("schedule", ()):
        yield entry["set"]


def required(definition: Definition) -> list[str]:
    """The flags that a definition requires at any time while it is on."""
    if not any(any(requirements(part)) for part in fragments(definition)):
        return []
    on = [state for _, state in states(definition) if state.get("status", False)]
    return [entry["flag"] for state in on for _, entry in requirements(state)]


def on_a_cycle(flag: str, requires: Callable[[str], Iterable[str]], known: dict[str, bool]) -> bool:
    """Whether a flag requires itself, directly or through others, so that it cannot be evaluated.

    `requires` returns the flags that a flag requires directly. `known` is filled for all flags reachable from `flag`,
    by Tarjan's strongly connected components: a large file takes one pass, in whatever order flags are checked.
    """
    if flag in known:
        return known[flag]
    order, low, component = {flag: 0}, {flag: 0}, [flag]
    path = [(flag, iter(requires(flag)))]
    while path:
        name, rest = path[-1]
        other = next((one for one in rest if one not in known), None)
        if other is None:
            path.pop()
            if path:
                low[path[-1][0]] = min(low[path[-1][0]], low[name])
            if low[name] == order[name]:
                members = [component.pop()]
                while members[-1] != name:
                    members.append(component.pop())
                known.update(dict.fromkeys(members, len(members) > 1 or name in requires(name)))
        elif other in order:
            low[name] = min(low[name], order[other])
        else:
            order[other] = low[other] = len(order)
            component.append(other)
            path.append((other, iter(requires(other))))
    return known[flag]


T = TypeVar("T")


class Algebra(Protocol[T]):
    """A fold over a condition: the result for each of its parts."""

    def attribute(self, path: str, value: Any) -> T:
        """The clause of one attribute: a value, a list or a mapping of operators."""

    def segment(self, name: str) -> T:
        """Membership of a segment."""

    def share(self, settings: Mapping[str, Any]) -> T:
        """Membership of a segment's share of users, by its settings."""

    def every(self, parts: Sequence[T]) -> T:
        """All of these hold."""

    def some(self, parts: Sequence[T]) -> T:
        """At least one of these holds."""

    def negated(self, part: T) -> T:
        """This does not hold."""


def fold(when: Mapping[str, Any], algebra: Algebra[T]) -> T:
    """Folds a condition, from its leaves upwards."""
    return algebra.every([_folded(key, value, algebra) for key, value in when.items()])


def _folded(key: str, value: Any, algebra: Algebra[T]) -> T:
    if key == "any":
        return algebra.some([fold(part, algebra) for part in value])
    if key == "all":
        return algebra.every([fold(part, algebra) for part in value])
    if key == "not":
        return algebra.negated(fold(value, algebra))
    if key == "segment":
        return algebra.some([algebra.segment(name) for name in segment_names(value)])
    if key == SHARE:
        return algebra.share(value)
    return algebra.attribute(key, value)


def segment_names(value: str | Sequence[str]) -> Sequence[str]:
    """The names under the key `segment` of a condition: one, or a list."""
    return [value] if isinstance(value, str) else value


def operands(value: Any) -> Mapping[str, Any]:
    """The clause of an attribute as operands by operator: a plain value is `eq`, a list is `in`."""
    if isinstance(value, dict):
        return value
    return {"in": value} if isinstance(value, list) else {"eq": value}


def segments_of(when: Any) -> Iterator[tuple[Route, str]]:
    """Every segment that a condition names, with the path (keys and indexes) to the name."""
    for key, value in when.items():
        if key == "segment":
            names = (
                [((), value)] if isinstance(value, str) else [((index,), name) for index, name in enumerate(value)]
            )
            yield from (((key, *route), name) for route, name in names)
        elif key == "not":
            yield from (((key, *route), name) for route, name in segments_of(value))
        elif key in {"any", "all"}:
            for index, part in enumerate(value):
                yield from (((key, index, *route), name) for route, name in segments_of(part))
