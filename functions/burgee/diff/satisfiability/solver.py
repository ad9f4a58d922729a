"""Decides whether an attribute can have given truths of given atoms: possible unless proved impossible."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from burgee.diff.satisfiability import samples
from burgee.diff.satisfiability.atoms import (
    IMPOSSIBLE,
    MISSING,
    UNKNOWN,
    Answer,
    Atom,
    Possibility,
    possible,
)
from burgee.diff.satisfiability.machines import ASCII, SURROGATES, Automaton
from burgee.diff.satisfiability.pattern_syntax import Unparsed
from burgee.diff.satisfiability.patterns import Patterns
from burgee.diff.satisfiability.search import Search
from burgee.diff.satisfiability.strings import UNDERSTOOD, Recipe, Wanted, string_question
from burgee.evaluation.operators import ANY_ITEM, IGNORE_CASE, item_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from burgee.diff.satisfiability.atoms import Literals

MAX_ANSWERS = 50_000
MAX_PAIR_STATES = 2_000
MAX_WAYS = 64
"""Maximum ways in which one item of a list refuses tests that are tried before the answer is UNKNOWN."""
MAX_STATES = 20_000
"""Maximum states of one search before it answers UNKNOWN."""

_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
_EVERY = frozenset(map(chr, [*ASCII, 0x80, SURROGATES.stop]))
_TARGETING_KEY = "targetingKey"


class Solver:
    """Answers questions about one attribute at a time; caches machines and answers.

    Attributes are independent: a context can hold a value under a dotted name, which takes precedence over nesting,
    so that `device` and `device.os` can have any values together. Values are JSON values; strings have no unpaired
    surrogates, unless an operand does.
    """

    def __init__(self, max_states: int = MAX_STATES) -> None:
        self.max_states = max_states
        self.states = 0
        self._tests: dict[Atom, Callable[[Any], bool]] = {}
        self._answers: dict[frozenset[tuple[Atom, bool]], Answer] = {}
        self._automaton = lru_cache(maxsize=512)(_automaton)
        self._clash = lru_cache(maxsize=MAX_ANSWERS)(self._proves_clash)

    def holds(self, atom: Atom, value: Any) -> bool:
        """The operator's result for a value; MISSING for none."""
        return self._test(atom)(value)

    def solve(self, literals: Literals) -> Answer:
        """Whether a value exists with these truths of atoms of one attribute."""
        key = frozenset(literals.items())
        if key not in self._answers:
            if len(self._answers) >= MAX_ANSWERS:
                self._answers.clear()
            self._answers[key] = self._solve(literals)
        return self._answers[key]

    def split(self, literals: Literals, answer: Answer, atom: Atom) -> dict[bool, Answer]:
        """The answers with one more atom, by its truth. `answer` is the one for the literals so far.

        Its example has one of the two truths, so only the other must be solved.
        """
        if atom in literals:
            return {literals[atom]: answer, not literals[atom]: IMPOSSIBLE}
        found: dict[bool, Answer] = {}
        if answer.verdict is Possibility.POSSIBLE:
            found[self.holds(atom, answer.example)] = answer
        return {held: found.get(held) or self.solve({**literals, atom: held}) for held in (True, False)}

    def constants(self, literals: Literals) -> tuple[Any, ...] | None:
        """All values with these truths, if an atom allows only those of its operand; None if no atom does."""
        pinned = [atom.items.every for atom, want in literals.items() if want and _pins(atom)]
        if not pinned:
            return None
        return tuple(item for item in min(pinned, key=len) if self._meets(literals, item))

    def _test(self, atom: Atom) -> Callable[[Any], bool]:
        if atom not in self._tests:
            self._tests[atom] = atom.test()
        return self._tests[atom]

    def _meets(self, literals: Literals, value: Any) -> bool:
        return all(self._test(atom)(value) is want for atom, want in literals.items())

    def _solve(self, literals: Literals) -> Answer:
        constants = self.constants(literals)
        if constants is not None:
            return possible(constants[0]) if constants else IMPOSSIBLE
        for value in _plain(literals):
            if self._meets(literals, value):
                return possible(value)
        if any(atom.operator not in UNDERSTOOD for atom in literals):
            return UNKNOWN
        in_list = self._list(literals)
        if in_list.verdict is Possibility.POSSIBLE:
            return in_list
        string = self._string(literals)
        return string if string.verdict is Possibility.POSSIBLE or not in_list else UNKNOWN

    def _list(self, literals: Literals) -> Answer:
        """A list with an item for each atom that requires one, which no other atom forbids."""
        asked = {
            atom: want is (atom.operator != "not_contains") for atom, want in literals.items() if _of_items(atom)
        }
        if any(self._test(atom)([]) is not want for atom, want in literals.items() if atom not in asked):
            return IMPOSSIBLE
        forbidden = [_item(atom) for atom, needed in asked.items() if not needed]
        answers = [self._list_item(_item(atom), forbidden) for atom, needed in asked.items() if needed]
        if IMPOSSIBLE in answers or UNKNOWN in answers:
            return IMPOSSIBLE if IMPOSSIBLE in answers else UNKNOWN
        return possible([answer.example for answer in answers])

    def _list_item(self, needed: Sequence[Atom], forbidden: Sequence[Sequence[Atom]]) -> Answer:
        """An item that meets all tests of one atom, and of each other atom at least one test not."""
        worst = IMPOSSIBLE
        for number, refused in enumerate(product(*forbidden)):
            if number >= MAX_WAYS:
                return UNKNOWN
            if set(refused).isdisjoint(needed):
                answer = self.solve({**dict.fromkeys(refused, False), **dict.fromkeys(needed, True)})
                if answer.verdict is Possibility.POSSIBLE:
                    return answer
                worst = answer if answer else worst
        return worst

    def _string(self, literals: Literals) -> Answer:
        question = string_question(literals, {atom: self._test(atom) for atom in literals})
        if question is None:
            return IMPOSSIBLE
        own = frozenset().union(*(atom.items.characters for atom in literals))
        worst = IMPOSSIBLE
        for wanted in question.alternatives():
            answer = self._search(literals, wanted, own)
            if answer.verdict is Possibility.POSSIBLE:
                return answer
            worst = answer if answer else worst
        return worst

    def _search(self, literals: Literals, wanted: Wanted, own: frozenset[str]) -> Answer:
        surrogates = any(ord(char) in SURROGATES for char in own)  # RE2 matches none, whatever else a string has
        known = [
            (recipe, want)
            for recipe, want in wanted
            if not (surrogates and recipe.build is Patterns) and self._automaton(recipe) is not None
        ]  # what is omitted here is checked for each string found
        parts = self._parts(known)
        search = Search(parts, lambda text: self._meets(literals, text))
        all_letters, plain_letters = search.alphabet(_letters(parts) | own), search.alphabet(_PRINTABLE | own)
        answer = search.run(plain_letters, self.max_states)
        if answer.verdict is not Possibility.POSSIBLE and len(all_letters) > len(plain_letters):
            answer = search.run(all_letters, self.max_states)
        self.states += search.states
        if answer is UNKNOWN and any(self._clash(*pair) for pair in combinations(known, 2)):
            return IMPOSSIBLE
        return answer

    def _parts(self, wanted: Wanted) -> list[tuple[Automaton, bool]]:
        found = [(self._automaton(recipe), want) for recipe, want in wanted]
        return [(automaton, want) for automaton, want in found if automaton is not None]

    def _proves_clash(self, first: tuple[Recipe, bool], second: tuple[Recipe, bool]) -> bool:
        """Whether two parts alone contradict each other, which the search over many parts might not find."""
        search = Search(self._parts([first, second]), lambda _: True)
        answer = search.run(search.alphabet(_letters(search.parts)), min(self.max_states, MAX_PAIR_STATES))
        self.states += search.states
        return not answer


def _plain(literals: Literals) -> Iterator[Any]:
    """Values without automata, likely ones first; complete except for lists and strings."""
    with_key = any(atom.path == _TARGETING_KEY for atom in literals)
    if not with_key:
        yield MISSING
    yield from samples.strings(literals)
    if with_key:
        yield MISSING
    yield from samples.numbers(literals)
    yield from (True, False, {})


def _pins(atom: Atom) -> bool:
    """Whether an atom that holds allows only the values of its operand."""
    return atom.operator in {"eq", "in"} and not (atom.ignore_case and atom.items.strings)


def _of_items(atom: Atom) -> bool:
    return atom.operator in {"contains", "not_contains", ANY_ITEM}


def _item(atom: Atom) -> list[Atom]:
    """The tests, all of which the list item that an atom asks about meets."""
    if atom.operator != ANY_ITEM:
        return [Atom(atom.path, "in", json.dumps(atom.items.every), atom.ignore_case)]
    tests = item_tests(json.loads(atom.operand))
    ignore_case = bool(tests.get(IGNORE_CASE))
    return [Atom(atom.path, name, json.dumps(one), ignore_case) for name, one in tests.items() if name != IGNORE_CASE]


def _letters(parts: Sequence[tuple[Automaton, bool]]) -> frozenset[str]:
    """All characters that the parts distinguish, and more."""
    return _EVERY | {chr(code) for part, _ in parts for code in part.edges if code not in SURROGATES}


def _automaton(recipe: Recipe) -> Automaton | None:
    """None if the machine cannot be built: an unsupported pattern."""
    try:
        return Automaton(recipe.build(*recipe.arguments))
    except Unparsed:
        return None
