"""Made-up atoms of every operator, and values that are likely to distinguish them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from burgee.diff.satisfiability.atoms import HAS_UNIT, MISSING, Atom

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

WORDS = [
    *("a", "ab", "ba", "aa", "b", "", "@x.de", "x.de", "@X.DE", "DE", "de", "de-AT", "\n", "a\n", "%1", ":", "::"),
    *("ß", "ss", "SS", "ẞ", "İ", "i", "I", "ı", "k", "K", "s", "ſ", "ﬃ", "ffi", "Σ", "σς", "é", "É"),  # noqa: RUF001
    *("1.2", "7.", "v1", "-rc", "+b", "rc.1", "10.", "10.1.", ".1", "::1", "fe80", "2026-", "T", "Z", "+02:00"),
    *("1.2.3", "10.0.0.1", "2026-06-01", "2027-01-01T00:00:00Z"),
]
PATTERNS = [
    *(
        "a",
        "^a",
        "a$",
        "^a.*b$",
        "(?i)ab",
        "^[a-z]+$",
        r"^\d+\.\d+\.\d+$",
        r"\bb",
        r"a\b",
        r"\Bb",
        "(?s)a.b",
        "",
        "^$",
    ),
    *("(?m)^b", "(?m)a$", "ß", "(?i)ß", "(?i)ss", "(?i)k", "(?i)s$", r"^\pL+$", r"\p{Lu}", "[^a]", "^[^a-z]*$"),
    *("a{2,3}b?", "(a|ab)(c|bcd)?$", r"^v?1\.", r"^\w+@x\.de$", r"@.*\.de$", r"\.1$", "^2026-0[1-6]", r"^10\."),
    *("^[0-9a-f:]+$", "[[:upper:]]", r"\x{e9}", "^(?:a|b)*$", "(a*)*b", "x*", r"\Aab\z", "[]a]", "(?i)[^k]$"),
    *(
        "(?U)a+?b",
        "^.$",
        "^..$",
        r"\Q1.2\E",
        "a|",
        "(?P<n>a)b",
        "(?i:A)b",
        "(?-i)ab",
        r"^1\.2\.3-[a-z]+$",
        r"^[\d.]+$",
    ),
    *(r"\s", r"\S$", r"-rc\.[0-9]+$", "^(ab){2}$", "^(ab?){1,2}$", "a+?", "(?i)σ", "İ", "(?i)i", r"\Ca", "(?i)[é-ü]"),  # noqa: RUF001
]
VERSIONS = [
    *("0.0.0", "1.2.3", "1.2.4", "2.0.0", "7.0.0", "10.0.0", "1.2.3-rc.1", "1.2.3-rc.10", "1.2.3-1", "1.2.3-a.1.b"),
    *("0.1.0", "0.0.3", "1.2.3+b", "v1.2.3", "999999999999999999.0.0", "1.2.3-rc-1", "1.2.3-0", "1.10.0"),
]
NETWORKS = [
    *("10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/23", "0.0.0.0/0", "192.168.1.128/25", "10.0.0.1", "::/0", "::1"),
    *(
        "2001:db8::/32",
        "fe80::/10",
        "::ffff:0:0/96",
        "2001:db8:0:8000::/49",
        "2001:db8::1:0/112",
        "::ffff:10.1.0.0/112",
    ),
]
TIMES = [
    *("2027-01-01T00:00:00Z", "2026-06-01", "2026-06-01T00:00:00.5Z", "2024-02-29T12:00:00+02:00"),
    *(
        "2026-12-31T23:59:59Z",
        "2027-01-01T09:30:00-05:00",
        "0001-01-01",
        "9999-12-31T23:59:59Z",
        "2026-12-31T23:59:60Z",
        "2026-06-01T00:00:00.123456789Z",
    ),
]
NUMBERS = [
    0,
    1,
    1.0,
    -1,
    5,
    0.1,
    0.30000000000000004,
    0.3,
    2**53,
    2**53 + 1,
    2**53 + 2,
    1e300,
    -1e300,
    10**400,
    5e-324,
]
SCALARS = ["a", "A", "b", "ß", "", 1, 5, 0.3, True, False]

TEXT = ["eq", "ne", "in", "not_in", "contains", "not_contains", "starts_with", "ends_with", "matches"]
VERSION = [
    "semver_eq",
    "semver_ne",
    "semver_gt",
    "semver_gte",
    "semver_lt",
    "semver_lte",
    "semver_tilde",
    "semver_caret",
]
NUMBER = ["gt", "gte", "lt", "lte"]
OF_ITEMS = [*TEXT, *VERSION, *NUMBER, "before", "after", "cidr"]
EVERY = [*OF_ITEMS, "any_item", "exists", HAS_UNIT]


def made_atom(source: random.Random, operator: str, path: str = "x") -> Atom:
    """An atom of an operator, of operands that other atoms are likely to share."""
    ignore_case = operator in TEXT and source.random() < 0.35
    return Atom(path, operator, json.dumps(_operand(source, operator)), ignore_case)


def _operand(source: random.Random, operator: str) -> Any:
    if operator in VERSION:
        return source.choice(VERSIONS)
    if operator in NUMBER:
        return source.choice(NUMBERS)
    if operator in {"before", "after"}:
        return source.choice(TIMES)
    if operator in {"exists", HAS_UNIT}:
        return operator == HAS_UNIT or source.random() < 0.5
    if operator == "any_item" and source.random() < 0.7:
        return {name: _operand(source, name) for name in source.sample(OF_ITEMS, source.choice([1, 1, 2]))}
    many = source.choice([1, 1, 2, 3])
    if operator == "cidr":
        items: list[Any] = source.choices(NETWORKS, k=many)
    elif operator == "matches":
        items = source.choices(PATTERNS, k=min(many, 2))
    elif operator in {"starts_with", "ends_with"}:
        items = source.choices(WORDS, k=many)
    else:
        items = source.choices(source.choice([WORDS, WORDS, SCALARS, NUMBERS]), k=many)
    return items[0] if many == 1 or operator in {"eq", "ne"} else items


def made_values(source: random.Random, atoms: Sequence[Atom], count: int) -> list[Any]:
    """Values of every type: the operands themselves, what is beside them, and pieces of them put together."""
    scalars = [item for atom in atoms for item in _operands(atom)] + source.sample(SCALARS, 3)
    numbers = [item for item in [*scalars, *NUMBERS] if isinstance(item, (int, float)) and not isinstance(item, bool)]
    values: list[Any] = [MISSING, {}, True, False, [], *scalars, *numbers]
    values += [other for number in numbers for other in (number + 1, number - 1, _half(number))]
    values += [source.choices(scalars, k=source.randint(1, 3)) for _ in range(10)]
    values += [text.upper() for text in scalars if isinstance(text, str)]
    return values + [made_string(source, atoms) for _ in range(count)]


def _operands(atom: Atom) -> list[Any]:
    """An operand's items; those of the tests of a list's items too."""
    found = []
    for item in atom.items.every:
        for one in item.values() if isinstance(item, dict) else [item]:
            found += one if isinstance(one, list) else [one]
    return found


def _half(number: float) -> float:
    return number + 0.5 if abs(number) < 1e300 else number


def made_string(source: random.Random, atoms: Sequence[Atom]) -> str:
    """A string of pieces: operands, and what versions, addresses and times look like."""
    own = [text for atom in atoms for text in _operands(atom) if isinstance(text, str)] or [""]
    parts = []
    for _ in range(source.choice([1, 1, 2, 3, 4])):
        kind = source.random()
        if kind < 0.45:
            part = source.choice(own)
        elif kind < 0.9:
            part = source.choice([made_version, made_address, made_time, _word])(source)
        else:
            part = source.choice("abcABCkKſKsSßẞİıiI1 .-_\n\0é日😀:@%")  # noqa: RUF001
        if source.random() < 0.15:
            part = source.choice([part.upper(), part.lower(), part.swapcase(), part[:-1], part[1:], part * 2])
        parts.append(part)
    return "".join(parts)


def _word(source: random.Random) -> str:
    return source.choice(WORDS)


def made_version(source: random.Random) -> str:
    """What is, or nearly is, a semantic version."""
    numbers = ["0", "1", "2", "3", "7", "9", "10", "4", "01", "999999999999999999", "1000000000000000000", "٣"]
    core = ".".join(source.choices(numbers, k=source.choice([3, 3, 3, 3, 2, 1, 4])))
    text = source.choice([core, core, "v" + core, "V" + core, "1.2.3", "1.2.3", "1.2.4", "2.0.0"])
    if source.random() < 0.5:
        parts = [
            "rc",
            "rc",
            "a",
            "1",
            "0",
            "9",
            "10",
            "11",
            "100",
            "01",
            "b",
            "rc-1",
            "-",
            "A",
            "9a",
            "00a",
            "ab",
            "é",
        ]
        text += "-" + ".".join(source.choices(parts, k=source.choice([1, 2, 3])))
    if source.random() < 0.3:
        text += "+" + source.choice(["b", "01", "a.b", "", "-"])
    return text


def made_address(source: random.Random) -> str:
    """What is, or nearly is, an IP address."""
    if source.random() < 0.5:
        return _ipv4(source)
    groups = [
        "0",
        "1",
        "2001",
        "db8",
        "fe80",
        "FE80",
        "ffff",
        "8000",
        "febf",
        "0db8",
        "12345",
        "7fff",
        "10",
        "a01",
        "g",
    ]
    head = source.choices(groups, k=source.choice([0, 1, 2, 3, 4, 6, 7, 8]))
    text = ":".join(head) + source.choice(["::", "::", "::", ":", ""])
    text += ":".join(source.choices(groups, k=source.choice([0, 1, 2, 3, 4])))
    if source.random() < 0.3:
        text = source.choice(["::ffff:", "::ffff:", "::", "0:0:0:0:0:ffff:", "2001:db8::1:", text + ":"]) + _ipv4(
            source
        )
    return text + source.choice(["", "", "%" + source.choice(["1", "", "a%", "%", "eth0", "/", "::1", ".1"])])


def _ipv4(source: random.Random) -> str:
    octets = ["10", "0", "1", "2", "3", "192", "168", "255", "128", "127", "256", "01", "9", "٣"]
    return source.choice(["", "10.1.", "10."]) + ".".join(source.choices(octets, k=source.choice([4, 4, 3, 2])))


def made_time(source: random.Random) -> str:
    """What is, or nearly is, an RFC 3339 time."""
    dates = [
        *(
            "2026-12-31",
            "2027-01-01",
            "2026-06-01",
            "2026-05-31",
            "2026-06-02",
            "2024-02-29",
            "2023-02-29",
            "1900-02-29",
        ),
        *(
            "2000-02-29",
            "2024-02-28",
            "2027-01-02",
            "0000-01-01",
            "2026-13-01",
            "2026-04-31",
            "2026-00-10",
            "2026-01-00",
        ),
        *("9999-12-31", "0001-01-01", "٢٠٢٦-01-01", "2026-6-1"),
    ]
    text = source.choice(dates)
    if source.random() < 0.8:
        clocks = [
            "00:00:00",
            "23:59:59",
            "12:00:00",
            "24:00:00",
            "09:30:00",
            "00:30:00",
            "14:30:00",
            "11:59:60",
            "23:59:60",
            "10:00",
        ]
        fractions = [
            "",
            "",
            ".5",
            ".500000",
            ".1234567",
            ".000001",
            ".",
            ".499999999",
            ".123456789",
            ".1234567890001",
            ".12345678",
            ".000000000",
        ]
        zones = [
            "Z",
            "Z",
            "z",
            "+00:00",
            "+02:00",
            "-05:00",
            "+23:59",
            "-23:59",
            "+24:00",
            "",
            "+05:99",
            "+23:60",
            "+0200",
        ]
        text += source.choice("TTt _") + source.choice(clocks) + source.choice(fractions) + source.choice(zones)
    return text
