"""Describes conditions in words (`country in DE, FR and app_version >= 2.3.0`), and how an answer was reached.

Evaluation never imports this: answers are explained only on request.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from burgee.evaluation.bucketing import BUCKETS
from burgee.evaluation.conditions import is_member
from burgee.evaluation.context import TARGETING_KEY, reader, unit_reader
from burgee.evaluation.decisions import member
from burgee.evaluation.definition import SHARE, operands, segment_names, unit_attributes
from burgee.evaluation.operators import ANY_ITEM, ANY_VALUE, IGNORE_CASE, OPERATORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.evaluation.flag import Flag, Prerequisite
    from burgee.model import Context

MAX_ITEMS = 4
MAX_TEXT = 60
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def explain(when: Mapping[str, Any], context: Context, segments: Mapping[str, Any]) -> list[str]:
    """Why a context does not meet a condition: one sentence per false clause, none if it meets the condition.

    `segments` are conditions by name. Raises KeyError for an unknown segment or operator.
    """
    return list(_reasons(when, context, segments, "the rule"))


def trace(flag: Flag, context: Context, now: float, segments: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Runs the compiled steps one by one, as evaluation does, and reports what each did and why it continued."""
    steps = []
    for step in flag.steps(now):
        answer = step.take(context, now)
        unit = unit_reader(*step.units)(context) if step.units else None
        entry: dict[str, Any] = {"step": step.name, "variant": answer and answer.variant}
        entry["verdict"] = "passed on" if answer is None else "answered"
        why = explain(step.when.when, context, segments) if step.when is not None else []
        if not why:
            why = [*_unmet(step.requires, context, now)]
        if not why and unit is None and (step.share is not None or step.arms is not None):
            why = [f"{' or '.join(step.units)}, the bucketed attribute, is missing"]
        if why:
            entry["why"] = why
        if step.share is not None and unit is not None:
            strategy, salt = step.share.strategy, step.share.salt
            entry["bucket"] = strategy.place(BUCKETS)(unit, salt)
            entry["from"], entry["below"] = step.share.at(now)
            entry["hashed"] = strategy.hashed(unit, salt)
        if step.arms is not None and unit is not None:
            entry["arm"], entry["arms"] = step.arms.place(unit), step.arms.size
            entry["arm_hashed"] = step.arms.strategy.hashed(unit, step.arms.salt)
        steps.append(entry)
        if answer is not None:
            break
    return steps


def _unmet(prerequisites: Sequence[Prerequisite], context: Context, now: float) -> Iterator[str]:
    for prerequisite in prerequisites:
        found, required = prerequisite.check(context, now), prerequisite.required
        if found is True:
            continue
        wants = f"{required.wanted} is required"
        if prerequisite.evaluate is None:
            yield f"there is no flag {required.flag}, {wants}"
        elif found is False:
            given = prerequisite.evaluate(context, now).variant
            yield f"{required.flag} gives {'no value' if given is None else given}, {wants}"
        else:
            yield f"{required.flag} gives an error, {wants}"


def _reasons(when: Mapping[str, Any], context: Context, segments: Mapping[str, Any], asker: str) -> Iterator[str]:
    for key, value in when.items():
        if key == "all":
            for part in value:
                yield from _reasons(part, context, segments, asker)
        elif key == "any":
            yield from _none_of([list(_reasons(part, context, segments, asker)) for part in value])
        elif key == "not":
            if not any(_reasons(value, context, segments, asker)):
                yield f"{describe(value)} holds, {asker} wants that it does not"
        elif key == "segment":
            names = segment_names(value)
            yield from _none_of(
                [list(_reasons(segments[name], context, segments, f"segment {name}")) for name in names]
            )
        elif key == SHARE:
            yield from _share_reasons(value, context, asker)
        else:
            yield from _attribute_reasons(key, value, context, asker)


def _share_reasons(settings: Mapping[str, Any], context: Context, asker: str) -> Iterator[str]:
    share = member(settings)
    if is_member(share)(context):
        return
    unit = unit_reader(*share.units)(context)
    if unit is None:
        yield f"{' or '.join(share.units)}, the bucketed attribute, is missing, {asker} wants {_portion(settings)}"
    else:
        hashed = share.strategy.hashed(unit, share.salt)
        bucket = share.strategy.place(BUCKETS)(unit, share.salt)
        yield f"the bucket of {hashed!r} is {bucket:,}, {asker} wants one below {share.high:,}"


def _portion(settings: Mapping[str, Any]) -> str:
    """A segment's share of users in words."""
    units = unit_attributes(settings)
    by = "" if units == (TARGETING_KEY,) else f" by {' or '.join(units)}"
    return f"{settings['rollout_percentage']:g} % of users{by}"


def _none_of(alternatives: Sequence[Sequence[str]]) -> Iterator[str]:
    """The reasons against each of several alternatives; empty if one of them is met."""
    if not all(alternatives):
        return
    if len(alternatives) == 1:
        yield from alternatives[0]
    else:
        yield "; nor: ".join(" and ".join(reasons) for reasons in alternatives)


def _attribute_reasons(path: str, value: Any, context: Context, asker: str) -> Iterator[str]:
    tests = operands(value)
    found = reader(path)(context)
    ignore_case = bool(tests.get(IGNORE_CASE))
    for name, operand in tests.items():
        if name == IGNORE_CASE or OPERATORS[name].build(operand, ignore_case)(found):
            continue
        wanted = _wanted(name, operand) + (", in any case" if ignore_case else "")
        if found is None:
            yield f"{path} is missing, {asker} wants {wanted}"
        else:
            remark = OPERATORS[name].remark(found, operand)
            yield f"{path} is {shown(found)}{f' ({remark})' if remark else ''}, {asker} wants {wanted}"


def _wanted(operator: str, operand: Any) -> str:
    if operator == "exists":
        return "any value" if operand else "none"
    if operator == ANY_ITEM:
        return f"a list with an item that meets: {_of_one('item', operand)}"
    if operator == ANY_VALUE:
        return f"a value that meets: {_of_one('value', operand)}"
    if operator == "in" and isinstance(operand, list) and len(operand) == 1:
        return shown(operand[0])
    return OPERATORS[operator].wants.format(shown(operand))


def describe(when: Mapping[str, Any], segments: Mapping[str, str] | None = None) -> str:
    """A whole condition on one line; `segments` describes some segments in more detail."""
    return " and ".join(_clauses(when, segments or {})) or "everyone"


def _clauses(when: Mapping[str, Any], segments: Mapping[str, str]) -> Iterator[str]:
    for key, value in when.items():
        if key in {"any", "all"}:
            joined = f" {'or' if key == 'any' else 'and'} ".join(_grouped(part, segments) for part in value)
            yield f"({joined})" if len(when) > 1 else joined
        elif key == "not":
            yield f"not ({describe(value, segments)})"
        elif key == "segment":
            yield "segment " + " or ".join(f"{name}{segments.get(name, '')}" for name in segment_names(value))
        elif key == SHARE:
            yield _portion(value)
        else:
            tests = operands(value)
            case = ", in any case" if tests.get(IGNORE_CASE) else ""
            named = ((operator, operand) for operator, operand in tests.items() if operator != IGNORE_CASE)
            yield from (_clause(key, operator, operand) + case for operator, operand in named)


def _grouped(when: Mapping[str, Any], segments: Mapping[str, str]) -> str:
    parts = list(_clauses(when, segments))
    return f"({' and '.join(parts)})" if len(parts) > 1 else "".join(parts)


def _clause(path: str, operator: str, operand: Any) -> str:
    if operator == "exists":
        return f"{path} is set" if operand else f"{path} is not set"
    if operator == ANY_ITEM:
        return f"an item of {path} meets: {_of_one('item', operand)}"
    if operator == ANY_VALUE:
        return f"a value of {path} meets: {_of_one('value', operand)}"
    if operator in {"in", "not_in"} and isinstance(operand, list) and len(operand) == 1:
        operator, operand = ("eq", operand[0]) if operator == "in" else ("ne", operand[0])
    known = OPERATORS.get(operator)
    return known.clause.format(path, shown(operand)) if known else f"{path} {operator} {shown(operand)}"


def _of_one(what: str, operand: Any) -> str:
    tests = operands(operand)
    case = ", in any case" if tests.get(IGNORE_CASE) else ""
    return " and ".join(_clause(what, name, one) + case for name, one in tests.items() if name != IGNORE_CASE)


def shown(operand: Any) -> str:
    """A value or a list of values as quoted in a sentence; strings stay unquoted if they cannot be mistaken."""
    if isinstance(operand, list):
        first = operand if len(operand) == MAX_ITEMS + 1 else operand[:MAX_ITEMS]
        more = len(operand) - len(first)
        return ", ".join(map(shown, first)) + (f" and {more:,} more" if more else "")
    text = operand if isinstance(operand, str) and not _reads_as_another(operand) else _json(operand)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _reads_as_another(text: str) -> bool:
    """Whether a string without quotes would read as empty, a number, a boolean or several items."""
    return not text.strip() or text in {"true", "false", "null"} or "," in text or _NUMBER.fullmatch(text) is not None


def _json(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):  # an object of the application's own, or thousands of digits
        return f"a value of type {type(value).__name__}"
