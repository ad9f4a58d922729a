"""Usage as records: what one process answered in about a minute, by flag and answer, without units and attributes.

A record is written once and may arrive twice; readers count its `event_id` once.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from burgee.events.records import AHEAD_SECONDS, FLAG_NAME, MAX_TEXT, UNWRITABLE, Record, Unacceptable
from burgee.numeric import is_number
from burgee.records import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from burgee.events.records import RecordScope

USAGE = "usage"
TOPIC = "_usage"
"""The topic of usage records: the folder of their own table."""
MAX_ANSWERS = 5_000
"""Different answers in one record."""
MAX_BYTES = 100_000
"""Bytes of one record's answers; a queue takes no message of more than 256 KB."""
MAX_COUNT = 10**9
"""Of one answer in one record: more than a process answers in a minute."""
MAX_UNKNOWN = 100
"""Names without a flag in one record."""


class Cell(NamedTuple):
    """Answers that are counted together. `error` is an error code, `key` the name of the API key that asked.

    `bulk` answers are those of a caller that asked for all flags at once, which does not show that it uses this one.
    `override` is whether an operator's override gave the answer instead of the release.
    """

    flag: str
    variant: str | None
    reason: str
    rule: str | None
    error: str | None
    release: int
    override: bool
    key: str
    bulk: bool


class Window(NamedTuple):
    """The time that a record covers, in epoch seconds, and how many answers in it could not be counted."""

    since: float
    until: float
    lost: int = 0


def usage_records(counts: Mapping[Cell, int], window: Window, scope: RecordScope) -> list[Record]:
    """The records of some counts: one, unless it would be too large."""
    made = [_record(scope, answers) for answers in _portions(counts.items())] or [_record(scope, [])]
    since, until = int(min(window.since, window.until) * 1000), int(window.until * 1000)
    for number, record in enumerate(made):
        record |= {"time": until, "received": until, "since": since, "lost": 0 if number else window.lost}
    return made


def counts_of(record: Record) -> Iterator[tuple[Cell, int]]:
    """The counts of a stored record."""
    for one in record["answers"]:
        said = one.get("variant"), one["reason"], one.get("rule"), one.get("error"), int(one.get("release") or 0)
        asked = bool(one.get("override")), one.get("key") or "", bool(one.get("bulk"))
        yield Cell(one["flag"], *said, *asked), int(one["count"])


def accept_usage(raw: Any, scope: RecordScope, now: float, key: str) -> Record:
    """A record that a process with an API key sends; its answers are counted under that key's name.

    Raises Unacceptable with the fault. `now` is in epoch seconds.
    """
    if not raw.keys() <= _KEYS:
        raise Unacceptable(f"unknown key {str(min(raw.keys() - _KEYS, key=str))!r:.80} in a record of type usage")
    event_id, until, since = raw.get("event_id"), raw.get("time"), raw.get("since")
    if type(event_id) is not str or not event_id or len(event_id) > MAX_TEXT or UNWRITABLE.search(event_id):
        raise Unacceptable("`event_id` must be a non-empty string")
    if not is_number(until) or not is_number(since) or not 0 <= since <= until <= now + AHEAD_SECONDS:
        raise Unacceptable("`since` and `time` must be epoch seconds, in order and not in the future")
    answers, lost = raw.get("answers"), raw.get("lost", 0)
    if not isinstance(answers, list) or len(answers) > MAX_ANSWERS:
        raise Unacceptable(f"`answers` must be a list of at most {MAX_ANSWERS:,}")
    if not _is_count(lost):
        raise Unacceptable("`lost` must be a count")
    record = _record(scope, [_answer(one, key) for one in answers])
    if len({one["flag"] for one in record["answers"] if one.get("error") == "FLAG_NOT_FOUND"}) > MAX_UNKNOWN:
        raise Unacceptable(f"`answers` has more than {MAX_UNKNOWN} names without a flag")
    times = {"time": int(until * 1000), "since": int(since * 1000), "received": int(now * 1000)}
    return {**record, "event_id": event_id, **times, "lost": lost}


def as_sent(record: Record) -> dict[str, Any]:
    """A record as a process sends it to a service, which adds the project, the environment and the key."""
    answers = [{name: value for name, value in one.items() if name != "key"} for one in record["answers"]]
    times = {name: record[name] / 1000 for name in ("time", "since")}
    return {"type": USAGE, "event_id": record["event_id"], **times, "lost": record["lost"], "answers": answers}


_KEYS = {"type", "event_id", "time", "since", "lost", "answers"}
_TEXTS = {"flag": 255, "variant": MAX_TEXT, "reason": 64, "rule": MAX_TEXT, "error": 64}
_ANSWER_KEYS = {*_TEXTS, "release", "override", "bulk", "count"}


_COUNT = {"type": "integer", "minimum": 0, "maximum": MAX_COUNT}
_TIME = {"type": "number", "minimum": 0, "description": "Epoch seconds."}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "event_id", "time", "since", "answers"],
    "properties": {
        "type": {"const": USAGE},
        "event_id": {"type": "string", "minLength": 1, "maxLength": MAX_TEXT},
        "time": _TIME,
        "since": _TIME,
        "lost": {**_COUNT, "description": "Answers that could not be counted."},
        "answers": {
            "type": "array",
            "maxItems": MAX_ANSWERS,
            "items": {
                "type": "object",
                "required": ["flag", "reason", "count"],
                "properties": {
                    **{
                        name: {
                            "type": ["string", "null"][: 1 if name in {"flag", "reason"} else 2],
                            "maxLength": longest,
                        }
                        for name, longest in _TEXTS.items()
                    },
                    "release": _COUNT,
                    "override": {"type": "boolean"},
                    "bulk": {"type": "boolean"},
                    "count": _COUNT,
                },
                "additionalProperties": False,
            },
        },
    },
    "additionalProperties": False,
}
"""A record that a process sends with a server key, as JSON Schema."""


def _answer(one: Any, key: str) -> dict[str, Any]:
    if not isinstance(one, dict) or not one.keys() <= _ANSWER_KEYS:
        raise Unacceptable(f"an answer is an object of {', '.join(sorted(_ANSWER_KEYS))}")
    for name, longest in _TEXTS.items():
        value = one.get(name)
        if value is None and name not in {"flag", "reason"}:
            continue
        if type(value) is not str or not value or len(value) > longest or UNWRITABLE.search(value):
            raise Unacceptable(f"`{name}` of an answer must be a string of 1 to {longest} characters")
    if not FLAG_NAME.fullmatch(one["flag"]):
        raise Unacceptable("`flag` of an answer is not a flag's name")
    if not _is_count(one.get("count")) or not _is_count(one.get("release", 0)):
        raise Unacceptable("`count` and `release` of an answer must be counts")
    if not all(isinstance(one.get(name, False), bool) for name in ("override", "bulk")):
        raise Unacceptable("`override` and `bulk` of an answer must be booleans")
    return {**one, "key": key} if key else dict(one)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MAX_COUNT


def _record(scope: RecordScope, answers: list[dict[str, Any]]) -> Record:
    named = {"type": USAGE, "topic": TOPIC, "event_id": os.urandom(12).hex()}
    return {**named, "project": scope.project, "environment": scope.environment, "answers": answers}


def _portions(counts: Iterable[tuple[Cell, int]]) -> Iterator[list[dict[str, Any]]]:
    """Counts as a record's answers, without what is empty, in portions of a record's size."""
    portion: list[dict[str, Any]] = []
    size = 0
    for cell, count in counts:
        answer = {name: value for name, value in cell._asdict().items() if value} | {"count": count}
        length = len(json.dumps(answer))
        if portion and (size + length > MAX_BYTES or len(portion) == MAX_ANSWERS):
            yield portion
            portion, size = [], 0
        portion.append(answer)
        size += length
    if portion:
        yield portion
