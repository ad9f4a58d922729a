"""The work that every engine is given, in no engine's own words; adapters in `rivals/` translate it.

share   a boolean for half of the users
rules   five rules on a user's attributes, of which the last splits its users three ways
users   a boolean for 10,000 users by name
"""

from __future__ import annotations

from typing import Any

ARMS = {"control": 50, "red": 30, "blue": 20}
RULES: list[tuple[str, str, Any, str | None]] = [
    ("plan", "eq", "enterprise", "first"),
    ("country", "in", [f"C{number}" for number in range(20)], "second"),
    ("version", "semver_gte", "9.0.0", "third"),
    ("age", "gte", 90, "fourth"),
    ("email", "starts_with", "user", None),
]
VARIANTS = ["other", "first", "second", "third", "fourth", *ARMS]
LISTED = [f"listed-{number}" for number in range(10_000)]

# What some attributes decide, for any user; None says that the arms share the users.
PLAIN = {"plan": "free", "country": "DE", "version": "2.3.4", "age": 30, "email": "user@example.com"}
MATCHES: list[tuple[dict[str, Any], str | None]] = [
    ({**PLAIN, "plan": "enterprise"}, "first"),
    ({**PLAIN, "country": "C19"}, "second"),
    ({**PLAIN, "version": "10.0.0"}, "third"),
    ({**PLAIN, "age": 90}, "fourth"),
    ({**PLAIN, "email": "other@example.com"}, "other"),
    (PLAIN, None),
]


def person(number: int) -> tuple[str, dict[str, Any]]:
    """A user that the fifth rule matches."""
    return f"user-{number}", {**PLAIN, "email": f"user-{number}@example.com"}


def many(flags: int) -> dict[str, str]:
    """Names to kinds: half shares, half rules."""
    return {f"flag-{number}": ("share", "rules")[number % 2] for number in range(flags)}
