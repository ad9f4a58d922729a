"""What a record may be: judged alone, bounded, and written down the same whatever it looked like."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from burgee.events.records import COLUMNS, SCHEMA, TRACKED, Pseudonyms, RecordScope, Unacceptable, accept

NOW = 1_800_000_000.0
TRACK = {
    "type": "track",
    "event_id": "1",
    "unit": "ada",
    "event": "order",
    "properties": {"amount": 12.5, "new": True},
}
EXPOSURE = {"type": "exposure", "event_id": "2", "unit": "ada", "flag": "a", "variant": "on", "time": NOW - 10}


def test_records_have_one_shape() -> None:
    tracked, exposed = accept(TRACK, RecordScope("p", "e"), NOW), accept(EXPOSURE, RecordScope(), NOW)
    assert tuple(tracked) == tuple(exposed) == COLUMNS
    assert tracked["properties"] == {"amount": "12.5", "new": "true"}
    assert (tracked["topic"], exposed["topic"]) == (TRACKED, "a")
    assert (tracked["time"], exposed["time"]) == (1_800_000_000_000, 1_799_999_990_000)
    assert (tracked["project"], tracked["environment"]) == ("p", "e")


@pytest.mark.parametrize(
    ("time", "milliseconds"),
    [
        ("2027-01-15T08:00:00.1234567Z", 1_800_000_000_123),
        ("2027-01-15T08:00:00.123456789Z", 1_800_000_000_123),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        *((f"2027-01-15T08:00:00.{number:03}Z", 1_800_000_000_000 + number) for number in range(0, 1000, 7)),
    ],
)
def test_times_have_any_number_of_fractional_digits(time: str, milliseconds: int) -> None:
    assert accept({**TRACK, "time": time}, RecordScope(), NOW + 60)["time"] == milliseconds


BAD: list[tuple[dict[str, Any], str]] = [
    ({"type": "click"}, "`type`"),
    ({"type": ["track"]}, "`type`"),
    ({"event_id": ""}, "`event_id`"),
    ({"event_id": 7}, "`event_id`"),
    ({"unit": None}, "`unit`"),
    ({"event": "x" * 513}, "more than 512"),
    ({"flag": "a"}, "'flag'"),
    ({"time": "yesterday"}, "`time`"),
    ({"time": NOW + 4000}, "not in the future"),
    ({"time": -1}, "`time`"),
    ({"time": True}, "`time`"),
    ({"properties": [1]}, "`properties`"),
    ({"properties": {"a": {"b": 1}}}, "property 'a'"),
    ({"properties": {"a": float("inf")}}, "property 'a'"),
    ({"properties": {str(i): i for i in range(51)}}, "at most 50"),
]


@pytest.mark.parametrize(("change", "reported"), BAD, ids=lambda one: str(one)[:40])
def test_what_is_wrong_is_reported(change: dict[str, Any], reported: str) -> None:
    with pytest.raises(Unacceptable, match=reported):
        accept({**TRACK, **change}, RecordScope(), NOW)


def test_the_schema_agrees_with_what_is_accepted() -> None:
    validator = Draft202012Validator(SCHEMA)
    assert validator.is_valid({"events": [TRACK, EXPOSURE]})
    for change, reported in BAD:
        if "future" not in reported and change != {"time": "yesterday"} and "inf" not in str(change):
            assert not validator.is_valid({"events": [{**TRACK, **change}]}) or "time" in change, change


def test_units_are_keyed_hashes_where_a_secret_is_given() -> None:
    scope = RecordScope(pseudonyms=Pseudonyms.parse("k7:0123456789abcdef"))
    written = accept(TRACK, scope, NOW)["unit"]
    digest = hmac.new(b"0123456789abcdef", b"ada", hashlib.sha256).hexdigest()
    assert written == f"k7.{digest[:32]}"


@pytest.mark.parametrize("text", ["", "k7", "k7:short", ":0123456789abcdef", "k 7:0123456789abcdef"])
def test_a_weak_secret_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ID:SECRET"):
        Pseudonyms.parse(text)
