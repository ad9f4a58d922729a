"""Checks of flags together: layers and cycles, against a search through all pairs and paths."""

from __future__ import annotations

from itertools import combinations, pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from burgee.flagfile.definition_checks import MAX_CYCLES, Surroundings, snapshot_faults

FIRST, SECOND = "2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"
ranges = st.tuples(st.integers(0, 9), st.integers(1, 3)).map(lambda pair: [pair[0] * 10, (pair[0] + pair[1]) * 10])


def found(code: str, flags: dict[str, Any], only: list[str] | None = None) -> list[Any]:
    around = Surroundings({"flags": flags, "segments": {}, "holdouts": {}})
    return [fault for fault in snapshot_faults(around, only) if fault.code == code]


def placed(*parts: list[int]) -> dict[str, Any]:
    """A flag that stands in one part of a layer after the other."""
    first, *later = [{"layer": {"name": "l", "range": part}} for part in parts]
    return {**first, "schedule": [{"at": at, "set": each} for at, each in zip((FIRST, SECOND), later, strict=False)]}


@given(st.lists(st.lists(ranges, min_size=1, max_size=3), min_size=1, max_size=5))
def test_ranges_that_overlap_are_found_and_no_others(parts: list[list[list[int]]]) -> None:
    flags = {f"f{number}": placed(*each) for number, each in enumerate(parts)}
    overlapping = {
        (f"f{one}", f"f{other}")
        for (one, first), (other, second) in combinations(enumerate(parts), 2)
        for low, high in first
        for start, end in second
        if low < end and start < high
    }
    faults = found("layer-overlap", flags)
    said = {tuple(fault.message.partition(" share")[0].split(" and ")[::-1]) for fault in faults}
    assert said <= overlapping
    assert {fault.path[1] for fault in faults} <= {later for _, later in overlapping}
    assert bool(faults) is bool(overlapping)
    for name in flags:
        mine = {pair for pair in overlapping if name in pair}
        assert not mine or found("layer-overlap", flags, [name])


def requiring(graph: dict[str, list[str]]) -> dict[str, Any]:
    return {
        name: {"requires": [{"flag": other, "variant": "on"} for other in others]} for name, others in graph.items()
    }


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(st.sampled_from("abcde"), max_size=2, unique=True)))
def test_every_flag_on_a_cycle_is_in_one_that_is_reported(graph: dict[str, list[str]]) -> None:
    graph = {name: [other for other in others if other in graph] for name, others in graph.items()}

    def reaches(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(graph[start])
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += graph[one]
        return seen

    reported: set[str] = set()
    for fault in found("cycle", requiring(graph)):
        names = fault.message.partition(": ")[2].split(" -> ")
        assert names[0] == names[-1]
        assert names[0] not in reported
        assert all(other in graph[name] for name, other in pairwise(names))
        assert fault.path[1] == names[-2]
        reported.update(names)
    assert reported == {name for name in graph if name in reaches(name)}


def test_there_is_an_end_to_the_cycles_that_are_reported() -> None:
    hub = {"hub": [f"leaf{number}" for number in range(200)], **{f"leaf{number}": ["hub"] for number in range(200)}}
    assert len(found("cycle", requiring(hub))) == MAX_CYCLES


def test_a_schedule_is_checked_at_each_of_its_times() -> None:
    """A fault from the second entry on is reported there; after an entry that repairs it, it is not."""
    flag = {
        "default": {"serve": "on"},
        "schedule": [
            {"at": FIRST, "set": {"variants": {"a": 1, "b": 2}, "default": {"serve": "a"}}},
            {"at": SECOND, "set": {"off_variant": "on"}},
        ],
    }
    around = Surroundings({"flags": {"f": flag}})
    assert [(fault.code, fault.path) for fault in snapshot_faults(around)] == [
        ("unknown-variant", ("flags", "f", "schedule", 1, "set", "off_variant"))
    ]
