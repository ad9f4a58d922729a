"""Exposures, tracked events and identities as records: what is accepted, and how it is written.

A record is flat JSON: times in milliseconds, properties as a map of strings, so that the same queries read files on a
laptop and Parquet on S3.
"""

from __future__ import annotations

import hmac
import os
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from burgee.numeric import is_number
from burgee.records import dataclass
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Record: TypeAlias = dict[str, Any]

COLUMNS = (
    *("type", "event_id", "time", "project", "environment", "flag", "variant", "reason", "rule", "release"),
    *("unit", "event", "properties", "topic", "received", "known"),
)
TRACKED, IDENTIFIED, REFUSED = "_track", "_identify", "_refused"
"""Topics of tracked events, identities and counts of refused records; the topic of an exposure is its flag.

Storage is partitioned by topic.
"""
HELD_OUT, RELEASED = "held_out", "released"
"""The arms of a holdout's experiment."""

MAX_RECORDS = 500
MAX_BYTES = 1_000_000
MAX_TEXT = 512
MAX_PROPERTIES = 50
MAX_NUMBER = 1e15
"""Sums of squares and cubes of larger numbers would lose the digits of all the others."""
FLAG_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)
AHEAD_SECONDS = 3600.0
"""How far a client's clock may be ahead."""
FAULTS = """WHEN type IS NULL OR type NOT IN ('exposure', 'track', 'identify', 'refused') THEN 'no type that is known'
        WHEN type = 'refused' THEN NULL
        WHEN coalesce(unit, '') = '' THEN 'no unit'
        WHEN coalesce(event_id, '') = '' THEN 'no event_id'
        WHEN time IS NULL OR time < 0 THEN 'no time in milliseconds'
        WHEN received < 0 THEN 'no time in milliseconds'
        WHEN type = 'exposure' AND coalesce(variant, '') = '' THEN 'an exposure without a variant'
        WHEN type = 'track' AND coalesce(event, '') = '' THEN 'an event without a name'
        WHEN type = 'identify' AND coalesce(known, '') = '' THEN 'an identity without `known`'"""
"""What makes a stored record unusable: the branches of a `CASE` in SQL."""
_NO_NUMBER = re.compile(r"[+-]?(nan|inf(inity)?)", re.IGNORECASE | re.ASCII)
UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
"""Characters that files and databases cannot store in a string."""

_COMMON = {"type", "event_id", "time", "unit", "properties"}
KEYS = {
    "exposure": _COMMON | {"flag", "variant", "reason", "rule", "release"},
    "track": _COMMON | {"event"},
    "identify": {"type", "event_id", "time", "unit", "known"},
}
"""The keys that a client may send, by record type."""
_NEEDED = {
    "exposure": ("event_id", "unit", "flag", "variant"),
    "track": ("event_id", "unit", "event"),
    "identify": ("event_id", "unit", "known"),
}


def topic_of(name: str) -> str:
    """The topic of exposures to a flag, or to a holdout, which is named `holdout:q4`."""
    kind, colon, holdout = name.partition(":")
    return f"_{kind}.{holdout}" if colon else name


class Unacceptable(ValueError):  # noqa: N818 - names what the record is
    """Why a record is refused."""


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Names units by keyed hashes: without the secret, records do not reveal who their units are.

    `key_id` precedes the hash, so that records from before and after a change of the secret stay apart.
    """

    key_id: str
    secret: bytes

    @classmethod
    def parse(cls, text: str) -> Pseudonyms:
        """Parses `ID:SECRET`; ValueError if the secret is too weak."""
        key_id, colon, secret = text.partition(":")
        if not colon or not key_id.isalnum() or len(secret) < 16:
            raise ValueError("a unit secret is ID:SECRET, letters and digits, and at least 16 characters of secret")
        return cls(key_id, secret.encode())

    def of(self, unit: str) -> str:
        """The pseudonym of a unit."""
        digest = hmac.digest(self.secret, unit.encode("utf-8", "surrogatepass"), "sha256")
        return f"{self.key_id}.{digest[:16].hex()}"


@dataclass(frozen=True, slots=True)
class RecordScope:
    """The project and environment of records, and how their units are pseudonymised."""

    project: str = "default"
    environment: str = "default"
    pseudonyms: Pseudonyms | None = None

    def unit(self, unit: str) -> str:
        """A unit as it is stored."""
        return unit if self.pseudonyms is None else self.pseudonyms.of(unit)


def accept(raw: Any, scope: RecordScope, now: float) -> Record:
    """A client's record as it is stored. Raises Unacceptable with the fault. `now` is in epoch seconds."""
    if not isinstance(raw, dict):
        raise Unacceptable("a record must be an object")
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in KEYS:
        raise Unacceptable("`type` must be `exposure`, `track` or `identify`")
    keys = KEYS[kind]
    if not raw.keys() <= keys:
        unknown = str(min(raw.keys() - keys, key=str))
        raise Unacceptable(f"unknown key {unknown!r:.80} in a record of type {kind}")
    for key in _NEEDED[kind]:
        value = raw.get(key)
        if type(value) is not str or not value:
            raise Unacceptable(f"`{key}` must be a non-empty string")
    for key, value in raw.items():
        if type(value) is str:
            _text(value, f"`{key}`")
        elif key not in {"properties", "time"} and value is not None:
            raise Unacceptable(f"`{key}` must be a string")
    if kind == "exposure" and not FLAG_NAME.fullmatch(raw["flag"]):
        raise Unacceptable("`flag` is not a flag's name")
    return {
        "type": kind,
        "event_id": raw["event_id"],
        "time": _time(raw.get("time"), now),
        "project": scope.project,
        "environment": scope.environment,
        "flag": raw.get("flag"),
        "variant": raw.get("variant"),
        "reason": raw.get("reason"),
        "rule": raw.get("rule"),
        "release": raw.get("release"),
        "unit": scope.unit(raw["unit"]),
        "event": raw.get("event"),
        "properties": _properties(raw.get("properties")),
        "topic": raw["flag"] if kind == "exposure" else f"_{kind}",
        "received": int(now * 1000),
        "known": scope.unit(raw["known"]) if kind == "identify" else None,
    }


def exposure(flag: str, answer: Mapping[str, Any], unit: str, scope: RecordScope, now: float) -> Record:
    """The record of an answer of a flag or a holdout; `answer` has variant, reason, rule, release and properties."""
    return {
        **_empty(scope, now),
        "type": "exposure",
        "flag": flag,
        "variant": answer["variant"],
        "reason": answer["reason"],
        "rule": answer["rule"],
        "release": answer["release"],
        "unit": scope.unit(_text(unit, "the unit")),
        "properties": _properties(answer["properties"]),
        "topic": topic_of(flag),
    }


def refusals(reasons: Sequence[str], scope: RecordScope, now: float) -> Record:
    """A record that counts refused records, with one reason as an example; reports add them up."""
    properties = {"count": str(len(reasons)), "example": UNWRITABLE.sub("?", reasons[0])[:MAX_TEXT]}
    return {**_empty(scope, now), "type": "refused", "properties": properties, "topic": REFUSED}


def _empty(scope: RecordScope, now: float) -> Record:
    at = int(now * 1000)
    known = {"event_id": os.urandom(12).hex(), "time": at, "received": at}
    scoped = {"project": scope.project, "environment": scope.environment, "properties": {}}
    return {**dict.fromkeys(COLUMNS), **known, **scoped}


def _time(value: Any, now: float) -> int:
    """Milliseconds of an RFC 3339 time or of epoch seconds; now if there is none."""
    if value is None:
        return int(now * 1000)
    if isinstance(value, str):
        try:
            value = parse_time(value)
        except ValueError as error:
            raise Unacceptable(f"`time`: {error}") from error
    if not is_number(value) or not 0 <= value <= now + AHEAD_SECONDS:
        raise Unacceptable("`time` must be an RFC 3339 time or epoch seconds, and not in the future")
    return int(value * 1000)


def _properties(value: Any) -> dict[str, str]:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_PROPERTIES:
        raise Unacceptable(f"`properties` must be an object of at most {MAX_PROPERTIES} members")
    return {
        _text(name, "the name of a property"): _scalar(name, item) for name, item in value.items() if item is not None
    }


def _scalar(name: str, value: Any) -> str:
    if type(value) is str:
        if _NO_NUMBER.fullmatch(value):
            raise Unacceptable(f"property {name!r:.80} is not a finite number")
        return _text(value, f"property {name!r:.80}")
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (int, float)):
        raise Unacceptable(f"property {name!r:.80} must be a string, a number or a boolean")
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise Unacceptable(f"property {name!r:.80} is not a number between -1e15 and 1e15")
    return repr(value)


def texts_of(value: str | float) -> list[str]:
    """The ways in which records write a value of a property."""
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [value] if isinstance(value, str) else [str(value), repr(float(value))]


def _text(value: str, what: str) -> str:
    if len(value) > MAX_TEXT:
        raise Unacceptable(f"{what} has more than {MAX_TEXT} characters")
    if UNWRITABLE.search(value):
        raise Unacceptable(f"{what} has a character that cannot be stored")
    return value


_SHORT = {"type": "string", "minLength": 1, "maxLength": MAX_TEXT}
_SHARED: dict[str, Any] = {
    "event_id": {**_SHORT, "description": "Unique for the unit; the same record sent again counts once."},
    "time": {"type": ["string", "number", "null"], "description": "RFC 3339, or epoch seconds; default now."},
    "unit": {**_SHORT, "description": "The unit: the targeting key, or the attribute that the flag buckets on."},
    "properties": {
        "type": ["object", "null"],
        "maxProperties": MAX_PROPERTIES,
        "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
    },
}
_OPTIONAL = {"type": ["string", "null"], "maxLength": MAX_TEXT}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["events"],
    "properties": {
        "events": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_RECORDS,
            "items": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["type", *_NEEDED["exposure"]],
                        "properties": {
                            "type": {"const": "exposure"},
                            **_SHARED,
                            "flag": _SHORT,
                            "variant": _SHORT,
                            **dict.fromkeys(("reason", "rule", "release"), _OPTIONAL),
                        },
                        "additionalProperties": False,
                    },
                    {
                        "type": "object",
                        "required": ["type", *_NEEDED["track"]],
                        "properties": {"type": {"const": "track"}, **_SHARED, "event": _SHORT},
                        "additionalProperties": False,
                    },
                    {
                        "type": "object",
                        "required": ["type", *_NEEDED["identify"]],
                        "properties": {
                            "type": {"const": "identify"},
                            **{key: _SHARED[key] for key in ("event_id", "time", "unit")},
                            "known": {**_SHORT, "description": "The same person's unit, once it is known."},
                        },
                        "additionalProperties": False,
                    },
                ]
            },
        }
    },
    "additionalProperties": False,
}
"""The body of `POST /v1/events`, as JSON Schema."""
