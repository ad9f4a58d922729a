"""What every store promises, said in terms of the Protocol alone."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Conflict, NotFound
from burgee.model import Override
from burgee.stores import AuditEntry, Change, Origin, Pointer, State, Tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.stores import Release, Store

    Open = Callable[..., Store]

AT = "2026-11-24T09:00:00Z"
ORIGIN = Origin("abc123", "Zoë", "Merge “größer”")


def stage(store: Store, payload: bytes = b"payload") -> Release:
    return store.stage(payload, ORIGIN, flags=3, at=AT)


def override(flag: str = "a", definition: Any = None, **more: Any) -> Override:
    return Override(flag, definition, "ada", "because", AT, AT, **more)


def entry(key: str, flag: str | None = None) -> AuditEntry:
    return AuditEntry(key, AT, "ada", "flag.update", "why", flag=flag, before={"n": 1}, after=None, release=2)


def test_before_the_first_commit_there_is_nothing(store: Store) -> None:
    assert store.pointer() == Pointer(0, "", 0)
    assert store.state() == State()
    assert list(store.releases()) == []
    assert list(store.audit()) == []
    for missing in (store.release, store.payload):
        with pytest.raises(NotFound):
            missing(1)


def test_a_staged_release_is_whole_and_served_by_nobody(store: Store) -> None:
    payload = json.dumps({"flags": "ü" * 1_000_000}, ensure_ascii=False).encode()
    release = stage(store, payload)
    assert (release.version, release.origin, release.created_at, release.flags) == (1, ORIGIN, AT, 3)
    assert (release.digest, release.size) == (sha256(payload).hexdigest(), len(payload))
    assert store.payload(1) == payload
    assert store.release(1) == release
    assert store.pointer() == Pointer()


def test_a_payload_that_does_not_compress_comes_back_too(store: Store) -> None:
    payload = b"".join(sha256(str(n).encode()).digest() for n in range(40_000))
    assert store.payload(stage(store, payload).version) == payload


def test_versions_rise_also_over_releases_that_were_never_served(store: Store) -> None:
    assert [stage(store).version for _ in range(3)] == [1, 2, 3]
    assert [release.version for release in store.releases()] == [3, 2, 1]


def test_a_commit_flips_the_pointer_and_counts(store: Store) -> None:
    release = stage(store)
    after = store.commit(Change(activate=release.version), expected=0)
    assert after == store.pointer() == store.state().pointer == Pointer(1, release.digest, 1)
    assert store.commit(Change(), expected=1) == Pointer(1, release.digest, 2)


def test_a_stale_commit_is_a_conflict_and_writes_nothing_at_all(store: Store) -> None:
    stage(store)
    second = stage(store, b"second")
    store.commit(Change(activate=1, lay=[override("kept")], retire=["gone"], audit=[entry("1")]), expected=0)
    before = store.state(), store.audit()
    change = Change(
        activate=second.version,
        lay=[override("new")],
        lift=["kept"],
        retire=["more"],
        reuse=["gone"],
        audit=[entry("2")],
    )
    for stale in (0, 2):
        with pytest.raises(Conflict):
            store.commit(change, expected=stale)
    assert (store.state(), store.audit()) == before


def test_a_release_that_was_never_staged_cannot_be_activated(store: Store) -> None:
    with pytest.raises(NotFound):
        store.commit(Change(activate=7, lay=[override()]), expected=0)
    assert store.state() == State()


def test_overrides_are_laid_replaced_and_lifted(store: Store) -> None:
    first = override("a", {"status": True})
    second = override("a", {"status": False}, expires_at=AT, base_digest="d")
    deleted = override("b", None)
    store.commit(Change(lay=[first, deleted]), expected=0)
    assert dict(store.state().overrides) == {"a": first, "b": deleted}
    store.commit(Change(lay=[second], lift=["b", "never laid"]), expected=1)
    assert dict(store.state().overrides) == {"a": second}


def test_an_override_keeps_every_kind_of_value(store: Store) -> None:
    values = {"whole": 5, "real": 5.0, "big": 2**60, "tiny": 1e-300, "none": None, "text": "日本 👩‍🚀"}
    definition = {"variants": values, "tags": [True, [], {}], "rollout_percentage": 12.125}
    store.commit(Change(lay=[override("a", definition)]), expected=0)
    assert json.dumps(store.state().overrides["a"].definition) == json.dumps(definition)


def test_names_are_retired_and_reused(store: Store) -> None:
    store.commit(Change(retire=["a", "b"], audit=[entry("1")]), expected=0)
    assert set(store.state().retired) == {"a", "b"}
    assert store.state().retired["a"] == AT
    store.commit(Change(reuse=["a"], audit=[entry("2")]), expected=1)
    assert set(store.state().retired) == {"b"}


def test_the_audit_log_is_newest_first_in_pages_and_by_flag(store: Store) -> None:
    entries = [entry(f"{n:03}", "a" if n % 2 else "b") for n in range(9)]
    store.commit(Change(audit=entries[:5]), expected=0)
    store.commit(Change(audit=entries[5:]), expected=1)
    newest = entries[::-1]
    assert list(store.audit()) == newest
    assert list(store.audit(limit=4)) == newest[:4]
    assert list(store.audit(limit=4, before=newest[3].id)) == newest[4:8]
    assert list(store.audit(flag="a")) == [one for one in newest if one.flag == "a"]
    assert list(store.audit(limit=2, flag="a", before="005")) == [entries[3], entries[1]]
    assert list(store.audit(flag="nobody")) == []


def test_releases_come_in_pages(store: Store) -> None:
    for _ in range(5):
        stage(store)
    assert [release.version for release in store.releases(limit=2)] == [5, 4]
    assert [release.version for release in store.releases(limit=2, before=4)] == [3, 2]


def test_collecting_keeps_the_newest_and_the_current(store: Store) -> None:
    for _ in range(6):
        stage(store)
    store.commit(Change(activate=2), expected=0)
    assert store.collect(keep=2) == 3
    assert [release.version for release in store.releases()] == [6, 5, 2]
    assert store.payload(2) == b"payload"
    with pytest.raises(NotFound):
        store.payload(4)
    assert stage(store).version == 7


def test_tenants_do_not_see_each_other(open_store: Open) -> None:
    one, other = open_store(Tenant("shop", "staging")), open_store(Tenant("shop", "production"))
    stage(one)
    one.commit(Change(activate=1, lay=[override()], retire=["x"], audit=[entry("1")]), expected=0)
    assert other.state() == State()
    assert (list(other.releases()), list(other.audit())) == ([], [])
    assert stage(other).version == 1


def test_another_process_sees_a_commit(open_store: Open) -> None:
    writer, reader = open_store(), open_store()
    stage(writer)
    writer.commit(Change(activate=1, lay=[override()]), expected=0)
    assert reader.state() == writer.state()
    assert reader.payload(1) == b"payload"


def test_of_many_who_commit_at_once_one_wins_each_revision(open_store: Open) -> None:
    stores = [open_store() for _ in range(4)]
    won: list[int] = []

    def race(number: int) -> None:
        store = stores[number % 4]
        for step in range(10):
            revision = store.pointer().revision
            try:
                store.commit(
                    Change(lay=[override(f"f{number}-{step}")], audit=[entry(f"{number}-{step}")]), expected=revision
                )
            except Conflict:
                continue
            won.append(revision)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(race, range(8)))
    assert sorted(won) == list(range(len(won)))
    state = stores[0].state()
    assert state.pointer.revision == len(won) == len(state.overrides) == len(stores[0].audit(limit=100))
