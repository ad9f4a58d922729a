"""What two systems answered, counted: against counting again, and within memory that does not grow."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from burgee.model import ErrorCode, Evaluation, Reason
from burgee.shadow import comparison
from burgee.shadow.answers import NO_VALUE, OFF, ON, UNKNOWN, answer_of, evaluated, text_of, unleash_answer_of
from burgee.shadow.comparison import GIVE_UP, MAX_KINDS, Comparison, Silence, compare
from burgee.shadow.sources import Unanswered

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from burgee.model import Context

ANSWERS = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["true", "false", '"x"', NO_VALUE]))


class Scripted:
    """A system that answers what it is given, in order."""

    name = "scripted"

    def __init__(self, *script: Mapping[str, str] | Unanswered, silence: str | None = None) -> None:
        self.script = iter(script)
        self.silence = silence

    def answers(self, contexts: Sequence[Context]) -> Iterable[Mapping[str, str] | Unanswered]:
        return [next(self.script) for _ in contexts]


def contexts(number: int) -> list[tuple[list[tuple[Context, dict[str, Any]]], int]]:
    return [([({"targetingKey": f"user-{one}"}, {})], 1) for one in range(number)]


def nothing(_size: int) -> None:
    """No progress is shown."""


@given(st.lists(st.tuples(ANSWERS, ANSWERS), min_size=1, max_size=30))
def test_counts_are_those_of_counting_again(asked: list[tuple[dict[str, str], dict[str, str]]]) -> None:
    found = Comparison()
    old, new = Scripted(*(one for one, _ in asked)), Scripted(*(other for _, other in asked))
    assert compare((old, new), contexts(len(asked)), found, nothing)
    pairs = [(name, was, after.get(name, UNKNOWN)) for before, after in asked for name, was in before.items()]
    differing = Counter(one for one in pairs if one[1] != one[2])
    assert {
        (name, *pair): one.count for name, flag in found.flags.items() for pair, one in flag.differences.items()
    } == differing
    assert {name: flag.compared for name, flag in found.flags.items()} == Counter(name for name, *_ in pairs)
    assert found.contexts == len(asked)
    some = [any(after.get(name, UNKNOWN) != was for name, was in before.items()) for before, after in asked]
    assert found.differing == sum(some)
    assert found.agrees == (bool(pairs) and not differing)


def test_a_context_without_an_answer_is_never_an_agreement() -> None:
    found = Comparison()
    same = {"a": "true"}
    assert compare((Scripted(same, same), Scripted(same, Unanswered("status 500"))), contexts(2), found, nothing)
    assert not found.agrees
    assert found.most() is None
    assert {fault: one.count for fault, one in found.unanswered.items()} == {"new: status 500": 1}


def test_a_system_that_is_down_is_not_asked_for_ever() -> None:
    found = Comparison()
    down = [Unanswered("refused")] * 1_000
    assert not compare((Scripted(*down), Scripted(*[{"a": "true"}] * 1_000)), contexts(1_000), found, nothing)
    assert found.contexts == GIVE_UP


def test_memory_is_bounded_by_kinds_and_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Comparison()
    for number in range(MAX_KINDS + 50):
        found.add({}, {"a": str(number)}, {"a": "true"}, Silence())
    assert len(found.flags["a"].differences) == MAX_KINDS + 1
    assert found.flags["a"].differing == MAX_KINDS + 50
    monkeypatch.setattr(comparison, "MAX_FLAGS", 2)
    found.add({}, dict.fromkeys("abc", "true"), dict.fromkeys("abc", "true"), Silence())
    assert set(found.flags) == {"a", "b"}
    assert found.uncounted == 1
    assert not found.agrees


@pytest.mark.parametrize("number", [1, 10, 299, 20_000])
def test_the_bound_is_that_of_clopper_and_pearson(number: int) -> None:
    found = Comparison()
    for _ in range(number):
        found.add({}, {"a": "true"}, {"a": "true"}, Silence())
    exact = binomtest(0, number, alternative="less").proportion_ci(0.95, "exact").high
    assert found.most() == pytest.approx(exact, rel=1e-9)


def test_no_context_is_in_a_record_unless_examples_are_asked_for() -> None:
    found = Comparison()
    found.add({"targetingKey": "ada@example.com"}, {"a": "true"}, {"a": "false"}, Silence())
    found.skip({"targetingKey": "bob@example.com"}, "old: status 500")
    assert "example.com" not in str(found.record())
    assert {"ada@example.com", "bob@example.com"} == {
        one["example"]["targetingKey"]
        for one in (
            *found.record(examples=True)["flags"]["a"]["differences"],
            *found.record(examples=True)["unanswered"],
        )
    }


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (True, 1, False),
        (1.5, 1.5, True),
        ("1", 1, False),
        ({"a": 1, "b": [2.0]}, {"b": [2], "a": 1.0}, True),
        ([1, 2], [2, 1], False),
        (-0.0, 0, True),
        ("é", "e\u0301", False),
    ],
)
def test_values_are_the_same_as_json(one: Any, other: Any, same: bool) -> None:
    assert (text_of(one) == text_of(other)) is same


def test_a_system_that_names_only_what_is_on_is_compared_where_it_is_silent() -> None:
    found = Comparison()
    old = Scripted({"a": ON}, {}, {}, silence=OFF)
    assert compare((old, Scripted({"a": ON}, {"a": ON}, {"a": OFF})), contexts(3), found, nothing)
    assert {pair: one.count for pair, one in found.flags["a"].differences.items()} == {(OFF, ON): 1}
    assert found.flags["a"].compared == 3
    found = Comparison()
    silent = Scripted({}, {}, silence=OFF)
    assert compare((Scripted({"a": ON}, {"a": OFF}), silent), contexts(2), found, nothing)
    assert {pair: one.count for pair, one in found.flags["a"].differences.items()} == {(ON, OFF): 1}


@pytest.mark.parametrize(
    ("value", "variant", "answer"),
    [
        (None, None, OFF),
        (False, "off", OFF),
        (True, "on", ON),
        ("", "enabled", ON),
        ("", "empty", '""'),
        ("B", "b", '"B"'),
        (0, "zero", "0"),
    ],
)
def test_answers_in_unleashs_terms(value: Any, variant: str | None, answer: str) -> None:
    assert unleash_answer_of(value, variant) == answer


def test_an_evaluation_is_its_value_or_why_there_is_none() -> None:
    split = Evaluation(value={"a": 1}, variant="v", reason=Reason.SPLIT)
    assert evaluated(split, answer_of) == '{"a":1}'
    assert evaluated(Evaluation(value=None, variant=None, reason=Reason.DISABLED), answer_of) == NO_VALUE
    missing = Evaluation(None, None, Reason.ERROR, error_code=ErrorCode.FLAG_NOT_FOUND)
    assert evaluated(missing, answer_of) == UNKNOWN
    keyless = Evaluation(None, None, Reason.ERROR, error_code=ErrorCode.TARGETING_KEY_MISSING)
    assert evaluated(keyless, unleash_answer_of) == "error TARGETING_KEY_MISSING"
