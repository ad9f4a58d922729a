"""Times as RFC 3339 writes them; the moments are those that its section 5.8 gives for its examples."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burgee.times import format_time, is_ahead, lasting, parse_instant, parse_time


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
        ("2026-01-01T00:00:00.1234567Z", moment(2026, 1, 1, 0, 0, 0, 123_457)),
        ("2026-01-01T00:00:00.123456789012345678901Z", moment(2026, 1, 1, 0, 0, 0, 123_457)),
        ("1990-12-31T23:59:60Z", moment(1991, 1, 1)),
        ("1990-12-31T15:59:60-08:00", moment(1991, 1, 1)),
        ("1998-12-31T15:59:60.123-08:00", moment(1999, 1, 1, 0, 0, 0, 123_000)),
        ("2016-12-31t23:59:60+00:00", moment(2017, 1, 1)),
        ("9999-12-31T23:59:60Z", moment(9999, 12, 31, 23, 59, 59) + 1),
        ("9999-12-31T23:59:59-23:59", moment(9999, 12, 31, 23, 59, 59) + 86_340),
        ("0001-01-01T00:00:00+23:59", moment(1, 1, 1) - 86_340),
    ],
)
def test_a_time_means_its_moment(text: str, expected: float) -> None:
    assert parse_time(text) == pytest.approx(expected, rel=0, abs=1e-6)


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
        "2027-03-01T24:00:00Z",
        "2027-03-01T09:00:00.Z",
        "2027-03-01T09:00:00,5Z",
        "2027-03-01T09:00:00+05:60",
        "1998-12-31T23:59:61Z",
        "1998-12-31T23:58:60Z",
        "1998-12-31T22:59:60Z",
        "1998-12-31T23:59:60-08:00",
        "0000-01-01",
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
    with pytest.raises(ValueError):  # noqa: PT011 - the caller words the message
        parse_time(text)


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_time_written_out_reads_back_to_the_millisecond(milliseconds: int) -> None:
    written = format_time(milliseconds / 1000)
    assert round(parse_time(written) * 1000) == milliseconds
    assert written.endswith("Z")
    assert ("." in written) is (milliseconds % 1000 != 0)


FRACTIONS = st.text("0123456789", max_size=25)


@given(st.integers(0, 3), FRACTIONS, st.integers(0, 3), FRACTIONS)
def test_instants_compare_exactly(second: int, digits: str, other: int, others: str) -> None:
    """Against fractions: no digit is too small to count."""

    def written(second: int, digits: str) -> str:
        return f"2026-01-01T00:00:0{second}{'.' + digits if digits else ''}Z"

    one, two = parse_instant(written(second, digits)), parse_instant(written(other, others))
    first, last = Fraction(f"{second}.{digits or 0}"), Fraction(f"{other}.{others or 0}")
    assert (one < two, one == two) == (first < last, first == last)


@pytest.mark.parametrize(
    ("epoch", "written"),
    [
        (parse_time("9999-12-31T23:59:59-23:59"), "9999-12-31T23:59:59.999Z"),
        (moment(9999, 12, 31, 23, 59, 59) + 1, "9999-12-31T23:59:59.999Z"),
        (parse_time("0001-01-01") - 1, "0001-01-01T00:00:00Z"),
        (1e300, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_what_no_calendar_holds_is_written_as_its_end(epoch: float, written: str) -> None:
    assert format_time(epoch) == written


def test_a_time_further_ahead_than_any_is_set_is_not_waited_for() -> None:
    assert [is_ahead(100.0 + more, 100.0, 50.0) for more in (-1.0, 0.0, 1.0, 50.0, 51.0)] == [
        False,
        False,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 seconds"),
        (0.97, "0.9 seconds"),
        (1, "1 second"),
        (59.99, "59.9 seconds"),
        (60, "1 minute"),
        (5399, "1.4 hours"),
        (5400, "1.5 hours"),
        (86_399, "23.9 hours"),
        (86_400, "1 day"),
        (86_400 * 2000, "2,000 days"),
    ],
)
def test_a_duration_in_words_never_says_that_more_has_passed(seconds: float, expected: str) -> None:
    assert lasting(seconds) == expected
