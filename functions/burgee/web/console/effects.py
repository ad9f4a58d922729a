"""The effect of a change in sentences: who loses what first, each with its share, a fraction and a real example."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.diff import wording
from burgee.diff.losses import MoveKind
from burgee.web.console.reading import segments
from burgee.web.console.words import NO_BREAK, percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from burgee.web.console.reading import Segment

LARGEST_PART = 40
"""A share is said as one in so many at most."""
MAX_MOVES = 40
MAX_LATER = 4
_ORDER = [str(kind) for kind in MoveKind]


class Moved(NamedTuple):
    """One move in a sentence, with the shares before and after as bars."""

    flag: str
    kind: str
    percent: float
    text: str
    example: str
    now: Sequence[Segment]
    then: Sequence[Segment]


class Sentences(NamedTuple):
    """An effect: the sentence that matters most, the others, and what else to know."""

    mood: str
    """A class of the style sheet: is-bad if anybody loses something."""
    first: str
    moves: Sequence[Moved]
    more: int
    notes: Sequence[str]


def in_sentences(
    records: Sequence[Mapping[str, Any]], flag: str, colours: Mapping[str, Mapping[str | None, int]]
) -> Sentences:
    """The effect of changing `flag`; `colours` are those of each flag's variants."""
    moves = [move for record in records for move in _moves(record, flag, colours.get(record["name"], {}))]
    moves.sort(key=lambda move: (_ORDER.index(move.kind), move.flag != flag, -move.percent))
    later = [words for record in records for words in _later(record, flag)]
    notes = [f"From {words}" for words in later[:MAX_LATER]]
    if len(later) > MAX_LATER:
        notes.append(f"and {len(later) - MAX_LATER} more changes later")
    if moves and not any(move.kind == MoveKind.GAIN for move in moves):
        notes.insert(0, "Nobody gains anything.")
    notes += [
        f"{record['name']} is not computed exactly: {record['sample']}." for record in records if record["sample"]
    ]
    mood = "is-bad" if any(move.kind == MoveKind.LOSS for move in moves) else "is-warn" if moves else "is-good"
    if not moves:
        first = "Nobody moves now." if later or any(record["sample"] for record in records) else "Nobody moves."
        return Sentences(mood, first, [], 0, notes)
    first = moves[0].text + (f"; for example {moves[0].example}" if moves[0].example else "")
    return Sentences(mood, f"{first}.", moves[:MAX_MOVES], max(len(moves) - MAX_MOVES, 0), notes)


def _moves(record: Mapping[str, Any], flag: str, coloured: Mapping[str | None, int]) -> Iterator[Moved]:
    name = "" if record["name"] == flag else f"{record['name']}: "
    for region in record["regions"]:
        bars = [_bar(region[side], coloured) for side in ("before", "after")]
        for move in region["moves"]:
            yield Moved(
                record["name"],
                move["kind"],
                move["percent"],
                name + _sentence(move, region),
                wording.such(move["example"]) if move["example"] and not region["users"] else "",
                *bars,
            )


def _bar(shares: Sequence[Mapping[str, Any]], coloured: Mapping[str | None, int]) -> list[Segment]:
    parts = {one["variant"]: Fraction(str(one["percent"])) / 100 for one in shares}
    return segments(parts, coloured, "off" if "on" in coloured else None)


def _later(record: Mapping[str, Any], flag: str) -> Iterator[str]:
    name = "" if record["name"] == flag else f"{record['name']}: "
    for later in record["later"]:
        when = wording.day(later["at"])
        if later["until"]:
            when += f" until {wording.day(later['until'])}"
        if not later["regions"]:
            yield f"{when}: {name}as without this change."
        for region in later["regions"]:
            for move in region["moves"]:
                yield f"{when}: {name}{_sentence(move, region, is_later=True)}."
    for guard in record["guards"]:
        for step in guard["steps"]:
            for region in step["regions"]:
                for move in region["moves"]:
                    yield f"step {step['share']:g}{NO_BREAK}% of the guard: {name}{_sentence(move, region)}."


def _sentence(move: Mapping[str, Any], region: Mapping[str, Any], *, is_later: bool = False) -> str:
    """Who loses or gets what: 2.5 % of users in Germany lose green: 1 in 40."""
    what = _what(move, is_later=is_later)
    users = region["users"]
    if users:
        return f"{wording.names(users)} {what if len(users) > 1 else _singular(what)}"
    # Who loses by a rule that goes is named by it all the same.
    who = region["when"].replace(" no longer reaching ", " matching ").replace(" no longer matching ", " matching ")
    if move["error"] is not None:
        return f"About {move['percent']:.1f}{NO_BREAK}% of {who} {what}"
    if move["percent"] == 100:
        return f"{_capital(who) if who.startswith('all ') else f'All {who}'} {what}"
    share = Fraction(str(move["percent"])) / 100
    return f"{percent(share)} of {who} {what}{part(share)}"


def _what(move: Mapping[str, Any], *, is_later: bool) -> str:
    old, new = (_variant(move[side]) for side in ("from", "to"))
    if is_later:
        return f"get {new} instead of {old}"
    if move["kind"] == MoveKind.LOSS:
        return f"lose {old}" if old != new else f"lose the value of {old}"
    if move["kind"] == MoveKind.GAIN:
        return f"get {new}"
    return f"go from {old} to {new}" if old != new else f"get another value of {new}"


def _variant(name: str | None) -> str:
    return {None: "no value", "(absent)": "no flag", "(error)": "an error", "(no unit)": "an error"}.get(
        name, str(name)
    )


def _singular(what: str) -> str:
    verb, _, rest = what.partition(" ")
    return f"{'goes' if verb == 'go' else f'{verb}s'} {rest}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def part(share: Fraction) -> str:
    """A share as a fraction that a person can picture: `: 1 in 5`, `: about 7 in 40`; nothing for tiny shares."""
    near = share.limit_denominator(LARGEST_PART)
    if near in {0, 1}:
        return ""
    return f": {'' if near == share else 'about '}{near.numerator} in {near.denominator}"
