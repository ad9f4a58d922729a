"""Stores on the same data: tenants beside each other, and writers and readers at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Conflict, NotFound
from burgee.stores import Change, Pointer, State, Tenant
from support.stores import committed, entry, override, released, staged

if TYPE_CHECKING:
    from support.stores import Open


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Tenant("shop", "production"), Tenant("shop", "staging")),
        (Tenant("shop", "production"), Tenant("blog", "production")),
        (Tenant("a", "b-c"), Tenant("a-b", "c")),
        (Tenant("a/b", "c"), Tenant("a", "b/c")),
        (Tenant("a#b", "c"), Tenant("a", "b#c")),
    ],
)
def test_tenants_see_nothing_of_each_other(open_store: Open, one: Tenant, other: Tenant) -> None:
    first, second = open_store(one), open_store(other)
    released(first, b"first")
    committed(first, lay=[override("a")], retire=["b"], audit=[entry(1, "a")])
    assert second.state() == State()
    assert second.pointer() == Pointer()
    assert list(second.releases()) == []
    assert list(second.audit()) == []
    with pytest.raises(NotFound):
        second.payload(1)
    released(second, b"second")
    committed(second, lift=["a"], reuse=["b"], audit=[entry(1, "a")])
    second.collect(keep=1)
    assert first.payload(1) == b"first"
    assert set(first.state().overrides) == {"a"}
    assert set(first.state().retired) == {"b"}
    assert len(first.audit()) == 1


def test_what_one_store_commits_another_on_the_same_data_sees(open_store: Open) -> None:
    writer, reader = open_store(), open_store()
    assert reader.pointer().revision == 0
    pointer = released(writer, b"one")
    assert reader.state().pointer == pointer
    assert reader.payload(pointer.version) == b"one"


@pytest.mark.threads
def test_of_those_who_commit_on_one_revision_exactly_one_wins(open_store: Open) -> None:
    """Six committers race for each of ten revisions; whatever the losers sent has left no trace."""
    racers, rounds = 6, 10
    stores = [open_store() for _ in range(racers)]
    start = Barrier(racers)

    def race(number: int, revision: int) -> str | None:
        mark = f"{revision}-{number}"
        change = Change(
            lay=[override(f"flag-{number}", mark=mark)], retire=[mark], audit=[entry(revision * 10 + number, mark)]
        )
        start.wait()
        try:
            stores[number].commit(change, expected=revision)
        except Conflict:
            return None
        return mark

    with ThreadPoolExecutor(racers) as pool:
        winners: list[str] = []
        for revision in range(rounds):
            marks = [mark for mark in pool.map(race, range(racers), [revision] * racers) if mark is not None]
            assert len(marks) == 1
            winners += marks
    state = stores[0].state()
    assert state.pointer.revision == rounds
    assert set(state.retired) == set(winners)
    assert [one.flag for one in stores[0].audit()] == winners[::-1]
    laid: dict[str, Any] = {f"flag-{mark.split('-')[1]}": {"mark": mark} for mark in winners}
    assert {name: one.definition for name, one in state.overrides.items()} == laid


@pytest.mark.threads
def test_those_who_stage_at_the_same_time_get_versions_of_their_own(open_store: Open) -> None:
    racers = 6
    stores = [open_store() for _ in range(racers)]
    start = Barrier(racers)

    def stage(number: int) -> int:
        start.wait()
        return staged(stores[number], str(number).encode()).version

    with ThreadPoolExecutor(racers) as pool:
        versions = list(pool.map(stage, range(racers)))
    assert sorted(versions) == list(range(1, racers + 1))
    assert [stores[0].payload(version) for version in versions] == [str(number).encode() for number in range(racers)]


@pytest.mark.threads
def test_a_reader_sees_a_commit_whole_or_not_at_all(open_store: Open) -> None:
    """Each commit serves a release and lays an override that names it; no state that is read mixes two of them."""
    writer, reader = open_store(), open_store()

    def write() -> None:
        for _ in range(20):
            version = staged(writer, b"x").version
            committed(writer, activate=version, lay=[override("a", version=version)])

    seen = []
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write)
        while not writing.done():
            seen.append(reader.state())
        writing.result()
    seen.append(reader.state())
    assert seen[-1].pointer.revision == 20
    for state in seen:
        laid = state.overrides.get("a")
        assert state.pointer.version == (0 if laid is None else (laid.definition or {})["version"])
