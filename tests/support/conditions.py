"""Made-up conditions and contexts that meet them now and then."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from hypothesis import strategies as st

NAMES = ["targetingKey", "plan", "age", "version", "account.plan"]


class Plan(StrEnum):
    PRO = "pro"


class Years(int):
    pass


# Strings and numbers in conditions, the same written otherwise, and others.
VALUES: list[Any] = [
    *("pro", "prof", "PRO", "free", "", "1.0.0", "2.0.0-beta", "10.0.0", "\ud800", "ada", "grace"),
    *(Plan.PRO, Years(18), 0, 1, 18, 17.5, 18.0, 10**400, float("nan"), float("inf"), True, False, None),
    *(["pro"], [], {}, {"plan": "pro"}),
]
TEXTS = st.sampled_from(["pro", "free", "", "\ud800", "1.0.0", "prof"])
NUMBERS = st.sampled_from([0, 1, 18, 17.5, -3, 10**400])
SCALARS = TEXTS | NUMBERS | st.booleans()
LISTS = st.lists(SCALARS, min_size=1, max_size=3)
PREFIXES = TEXTS | st.lists(TEXTS, min_size=1)
TESTS = st.one_of(
    SCALARS,
    LISTS,
    st.fixed_dictionaries({"in": LISTS | SCALARS}, optional={"ignore_case": st.booleans()}),
    st.fixed_dictionaries({"eq": SCALARS}, optional={"ignore_case": st.booleans(), "not_in": LISTS}),
    st.fixed_dictionaries(
        {"starts_with": TEXTS | st.lists(TEXTS, min_size=1)}, optional={"ignore_case": st.booleans()}
    ),
    st.fixed_dictionaries({"ends_with": TEXTS | st.lists(TEXTS, min_size=1)}, optional={"exists": st.booleans()}),
    st.dictionaries(st.sampled_from(["gt", "gte", "lt", "lte"]), NUMBERS, min_size=1, max_size=2),
    st.fixed_dictionaries({"semver_gte": st.sampled_from(["1.0.0", "2.0.0"])}),
)
WHEN = st.dictionaries(st.sampled_from(NAMES), TESTS, min_size=1, max_size=2) | st.sampled_from(
    [{"segment": "pros"}, {"not": {"segment": "pros"}}, {}]
)
UNITS = st.integers(0, 100_000).map("user-{}".format)
CONTEXTS = st.builds(
    lambda attributes, unit: {**unit, **attributes},
    st.dictionaries(st.sampled_from([*NAMES, "account"]), st.sampled_from(VALUES)),
    st.fixed_dictionaries({"targetingKey": UNITS}),
)
