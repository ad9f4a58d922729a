"""Times as RFC 3339 writes them; the moments are those that its section 5.8 gives for its examples."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burgee.times import format_time, parse_time


def moment(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1985-04-12T23:20:50.52Z", moment(1985, 4, 12, 23, 20, 50, 520_000)),
        ("1996-12-19T16:39:57-08:00", moment(1996, 12, 20, 0, 39, 57)),
        ("1937-01-01T12:00:27.87+00:20", moment(1937, 1, 1, 11, 40, 27, 870_000)),
        ("2027-03-01t09:00:00z", moment(2027, 3, 1, 9)),
        ("2027-03-01 09:00:00Z", moment(2027, 3, 1, 9)),
        ("2028-02-29T00:00:00Z", moment(2028, 2, 29)),
        ("2027-03-01", moment(2027, 3, 1)),
        ("1970-01-01T00:00:00Z", 0.0),
    ],
)
def test_a_time_means_its_moment(text: str, expected: float) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2027-03-01T09:00:00",
        "2027-03-01T09:00Z",
        "2027-03-01T9:00:00Z",
        "2027-02-29",
        "2027-13-01",
        "2027-03-01T25:00:00Z",
        "2027-03-01T09:00:00+0100",
        "2027-03-01T09:00:00+25:00",
        "20270301",
        "2027-W09-1",
        "2027-03-01T09:00:00Z ",
        "2027-03-01\n",
        "\u0662\u0660\u0662\u0667-\u0660\u0663-\u0660\u0661",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is whoever asks for the time's
        parse_time(text)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_time_written_out_reads_back_to_the_millisecond(milliseconds: int) -> None:
    written = format_time(milliseconds / 1000)
    assert round(parse_time(written) * 1000) == milliseconds
    assert written.endswith("Z")
    assert ("." in written) is (milliseconds % 1000 != 0)
