"""Every machine against the parser or method that it stands for, on made-up strings.

`BURGEE_EXAMPLES=10 pytest tests/diff/satisfiability` tries ten times as much.
"""

from __future__ import annotations

import os
import random
import sys
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import pytest

from burgee.diff.satisfiability.atoms import Atom
from burgee.diff.satisfiability.machines import SURROGATES, Automaton, Every, LongerThan, Machine, Some
from burgee.diff.satisfiability.networks import networks
from burgee.diff.satisfiability.orders import Interval
from burgee.diff.satisfiability.patterns import Patterns
from burgee.diff.satisfiability.times import TimeOrder, time_interval
from burgee.diff.satisfiability.versions import VersionOrder, version_interval
from burgee.diff.satisfiability.words import FOLDING, Words
from burgee.evaluation.operators import OPERATORS
from burgee.evaluation.semver import caret, parse_version, tilde
from burgee.times import parse_instant
from support.satisfiability import (
    NETWORKS,
    PATTERNS,
    TIMES,
    VERSIONS,
    WORDS,
    made_address,
    made_atom,
    made_string,
    made_time,
    made_version,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

TRIES = 1_500 * int(os.environ.get("BURGEE_EXAMPLES", "1"))


def outcomes(machine: Machine, text: str) -> Collection[Any]:
    state = machine.start
    for char in text:
        state = machine.step(state, char)
    return machine.outcomes(state)


def test_versions_are_ordered_as_the_parser_orders_them() -> None:
    source = random.Random(1)
    bounds = [bound for text in VERSIONS if (bound := parse_version(text))]
    bounds += [limit(bound)[1] for bound in bounds for limit in (tilde, caret)]
    machines = [(bound, VersionOrder(bound)) for bound in bounds]
    every = version_interval(Interval(None, False, None, False))
    valid = 0
    beside = [
        f"1.2.3-{first}{second}" for first in ("rc", "a", "1", "10") for second in ("", ".0", ".9", ".11", ".1.b")
    ]
    for text in [*beside, *VERSIONS, *(made_version(source) for _ in range(TRIES))]:
        version = parse_version(text)
        valid += version is not None
        assert outcomes(every, text) == (version is not None,), text
        if version is not None:
            for bound, machine in machines:
                assert outcomes(machine, text) == ((version > bound) - (version < bound),), (text, bound)
    assert valid > TRIES / 5


def test_addresses_are_in_the_networks_that_they_are_in() -> None:
    source = random.Random(2)
    machines = [(OPERATORS["cidr"].build(name, False), networks([name])) for name in NETWORKS]
    inside = 0
    for _ in range(TRIES):
        text = made_address(source)
        for inside_network, machine in machines:
            expected = inside_network(text)
            inside += expected
            assert outcomes(machine, text) == (expected,), (text, NETWORKS)
    assert inside > TRIES / 5
    assert outcomes(networks(NETWORKS), "10.255.0.0") == (True,)
    assert outcomes(networks(NETWORKS[1:3]), "10.255.0.0") == (False,)


def test_times_are_ordered_as_the_parser_orders_them() -> None:
    """What the parser says is among the outcomes; of times as they are usually written it is the only one."""
    source = random.Random(3)
    machines = [(bound, TimeOrder(bound)) for bound in map(parse_instant, TIMES)]
    every = time_interval(Interval(None, False, None, False))
    valid = exact = 0
    for _ in range(TRIES):
        text = made_time(source)
        try:
            time = parse_instant(text)
        except ValueError:
            time = None
        valid += time is not None
        assert (time is not None) in outcomes(every, text), text
        for bound, machine in machines:
            expected = None if time is None else (time > bound) - (time < bound)
            found = outcomes(machine, text)
            assert expected in found, (text, bound)
            exact += time is not None and len(found) == 1
    assert valid > TRIES / 10
    assert exact > 0.8 * valid * len(machines)
    assert list(outcomes(machines[0][1], "2026-12-31T23:59:59.999999Z")) == [-1]
    assert list(outcomes(machines[0][1], "2027-01-01t00:00:00.000000z")) == [0]
    assert list(outcomes(machines[0][1], "2027-01-01T00:00:00.000001Z")) == [1]


@pytest.mark.parametrize("ignore_case", [False, True])
def test_words_are_found_as_the_methods_of_strings_find_them(ignore_case: bool) -> None:
    source = random.Random(4)
    methods: dict[str, Callable[[str, str], bool]] = {
        "whole": str.__eq__,
        "start": str.startswith,
        "end": str.endswith,
        "anywhere": str.__contains__,
    }
    for number in range(TRIES // 10):
        if number % 2:  # words that are parts of each other
            pool = ["".join(source.choices("abßS", k=source.choice([1, 2, 3, 4]))) for _ in range(3)]
        else:
            pool = WORDS
        words = source.choices(pool, k=source.choice([1, 1, 2, 3]))
        machines = [(method, Words(where, words, ignore_case)) for where, method in methods.items()]  # type: ignore[arg-type]
        for _ in range(20):
            pieces = source.choices(
                [*words, source.choice("abßsS"), made_string(source, [])], k=source.choice([1, 2, 3])
            )
            text = "".join(piece[source.choice([0, 0, 1]) : source.choice([None, None, -1])] for piece in pieces)
            folded, parts = (text.casefold(), [word.casefold() for word in words]) if ignore_case else (text, words)
            for method, machine in machines:
                assert outcomes(machine, text) == (any(method(folded, part) for part in parts),), (
                    method,
                    words,
                    text,
                )


def test_folding_changes_no_character_that_is_not_looked_at() -> None:
    assert all(chr(code).casefold() == chr(code) for code in range(FOLDING.stop, sys.maxunicode + 1))
    every = "".join(map(chr, FOLDING))
    assert every.casefold() == "".join(char.casefold() for char in every)


def test_patterns_are_found_where_re2_finds_them() -> None:
    source = random.Random(5)
    for pattern in PATTERNS:
        if r"\C" in pattern:
            continue
        for ignore_case in (False, True):
            atom = Atom("x", "matches", f'"{pattern}"'.replace("\\", "\\\\"), ignore_case)
            machine, test = Patterns([pattern], ignore_case), atom.test()
            made = [made_string(source, [atom, made_atom(source, "in")]) for _ in range(TRIES // 50)]
            short = ["".join(chars) for length in range(4) for chars in product("ab\n-B", repeat=length)]
            for text in [*made, *short]:
                assert outcomes(machine, text) == (test(text),), (pattern, ignore_case, text)


MACHINES: list[Callable[[], Machine]] = [
    lambda: Words("anywhere", ["abß", "É"]),
    lambda: Words("end", ["ssK", "ﬃ"], ignore_case=True),
    lambda: Patterns([r"(?i)[k-s]+\b", r"^\p{Greek}+$", r"[^é-ü]x"]),
    lambda: version_interval(Interval(parse_version("1.2.3-rc.1"), True, parse_version("2.0.0"), False)),
    lambda: time_interval(Interval(parse_instant(TIMES[0]), True, None, False)),
    lambda: networks(["2001:db8::1:0/112", "10.0.0.0/8"]),
    lambda: LongerThan(3),
]


@pytest.mark.parametrize("build", MACHINES)
def test_characters_of_one_kind_lead_to_one_state(build: Callable[[], Machine]) -> None:
    """And between two edges there is one kind, so that trying the edges tries every kind."""
    source = random.Random(6)
    machine = build()
    edges = sorted({*range(129), SURROGATES.stop, *machine.edges(), sys.maxunicode + 1})
    states = [machine.start]
    for _ in range(300):
        state = machine.step(source.choice(states), chr(source.choice(edges[:-1])))
        states.append(state if state not in states else machine.start)
    for first, following in pairwise(edges):
        if first in SURROGATES:
            continue
        for code in {source.randrange(first, following) for _ in range(2)} - set(SURROGATES):
            assert machine.kind(chr(code)) == machine.kind(chr(first)), (code, first)
            state = source.choice(states)
            assert machine.step(state, chr(code)) == machine.step(state, chr(first)), (code, first)


@pytest.mark.parametrize("build", MACHINES)
def test_distances_are_those_of_the_shortest_strings(build: Callable[[], Machine]) -> None:
    """Breadth first over all characters, from the start, by the machine itself."""
    machine = build()
    automaton = Automaton(build())
    chars = [chr(code) for code in {*range(129), *automaton.edges} if code not in SURROGATES]
    chars = list({machine.kind(char): char for char in chars}.values())
    for verdict in (True, False):
        reached, steps = {machine.start}, 0
        while not any(verdict in machine.outcomes(state) for state in reached) and steps < 4:
            reached = {machine.step(state, char) for state in reached for char in chars}
            steps += 1
        distance = automaton.distance(verdict)
        assert distance is not None
        found = distance[0]
        assert found is not None
        assert found == steps or (steps == 4 and found >= 4)


def test_combinations_leave_open_what_their_parts_leave_open() -> None:
    class Open(LongerThan):
        def outcomes(self, state: Any) -> Collection[Any]:  # noqa: ARG002
            return (True, False)

    no, yes, unsure = LongerThan(5), LongerThan(-1), Open(0)
    for parts, every, some in (
        ([yes, unsure], {True, False}, {True}),
        ([no, unsure], {False}, {True, False}),
        ([yes, yes], {True}, {True}),
        ([no, no], {False}, {False}),
    ):
        assert set(outcomes(Every([(part, bool) for part in parts]), "a")) == every
        assert set(outcomes(Some(parts), "a")) == some


def test_no_version_is_a_time() -> None:
    """So a string is never looked for that would be both."""
    source = random.Random(7)
    version = version_interval(Interval(None, False, None, False))
    time = time_interval(Interval(None, False, None, False))
    both = Automaton(Every([(version, bool), (time, bool)]))
    distance = both.distance(True)
    assert distance is not None
    assert distance[0] is None
    assert not any(parse_version(text) for text in (made_time(source) for _ in range(TRIES)) if "T" in text)
