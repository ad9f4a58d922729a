"""What every store must do, in terms of the `Store` protocol alone."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Conflict, NotFound
from burgee.model import Override
from burgee.stores import Canary, Change, Origin, Pointer, State, Tenant
from support.stores import AT, committed, entry, override, released, staged

if TYPE_CHECKING:
    from burgee.stores import Store
    from support.stores import Open


def test_before_the_first_commit_there_is_nothing(store: Store) -> None:
    assert store.pointer() == Pointer(version=0, digest="", revision=0)
    assert store.state() == State(Pointer(), {}, {})
    assert list(store.releases()) == []
    assert list(store.audit()) == []
    for version in (0, 1):
        with pytest.raises(NotFound):
            store.release(version)
        with pytest.raises(NotFound):
            store.payload(version)


def test_a_store_knows_its_tenant(open_store: Open) -> None:
    assert open_store(Tenant("shop", "production")).tenant == Tenant("shop", "production")


def test_a_staged_release_is_served_to_nobody(store: Store) -> None:
    staged(store)
    assert store.state() == State()
    assert store.pointer() == Pointer()


def test_a_staged_release_can_be_read_back_by_its_version(open_store: Open) -> None:
    payload = '{"flags":{"Grüße":"日本語 👩‍🚀"}}'.encode()
    origin = Origin("c0ffee", "Ada Lovelace", "Grüße\nsecond line 🚀")
    made = open_store().stage(payload, origin, flags=7, at=AT)
    other = open_store()
    assert (made.version, made.digest, made.size) == (1, sha256(payload).hexdigest(), len(payload))
    assert (made.origin, made.created_at, made.flags) == (origin, AT, 7)
    assert other.release(1) == made
    assert list(other.releases()) == [made]
    assert other.payload(1) == payload


def test_numbers_keep_their_types(open_store: Open) -> None:
    variants = {"whole": 5, "real": 5.0, "large": 2**53, "small": 1e-7, "deep": {"a": [1, 1.0]}}
    text = json.dumps(variants)
    store = open_store()
    committed(store, activate=staged(store, text.encode()).version, lay=[override("a", variants=variants)])
    other = open_store()
    assert other.payload(1) == text.encode()
    definition = other.state().overrides["a"].definition
    assert definition is not None
    assert json.dumps(definition["variants"]) == text


@pytest.mark.parametrize("payload", [b"", bytes(range(256)), b"x" * 5], ids=["empty", "binary", "short"])
def test_a_payload_is_bytes_whatever_they_are(store: Store, payload: bytes) -> None:
    release = staged(store, payload)
    assert store.payload(release.version) == payload
    assert store.load(release.version) == (release, payload)


def test_a_payload_larger_than_one_record_comes_back_whole(store: Store) -> None:
    """Two megabytes that hardly compress: past DynamoDB's 400 KB for an item."""
    payload = b"".join(sha256(str(number).encode()).digest() for number in range(65_536))
    assert store.payload(staged(store, payload).version) == payload


def test_an_origin_may_say_nothing(store: Store) -> None:
    assert store.stage(b"{}", Origin(), flags=0, at=AT) == store.release(1)
    assert store.release(1).origin == Origin(None, None, None)


def test_versions_rise_by_one_whether_served_or_not(store: Store) -> None:
    assert [staged(store).version, staged(store).version] == [1, 2]
    released(store)
    assert store.pointer().version == 3
    committed(store, activate=1)
    assert staged(store).version == 4


def test_activating_a_release_points_at_it(store: Store) -> None:
    release = staged(store, b"one")
    pointer = store.commit(Change(activate=release.version), expected=0)
    assert pointer == Pointer(1, sha256(b"one").hexdigest(), 1)
    assert store.pointer() == pointer
    assert store.state().pointer == pointer


def test_an_earlier_release_can_be_served_again(store: Store) -> None:
    released(store, b"one")
    released(store, b"two")
    assert committed(store, activate=1) == Pointer(1, sha256(b"one").hexdigest(), 3)
    assert store.payload(store.pointer().version) == b"one"


def test_a_commit_without_a_release_moves_only_the_revision(store: Store) -> None:
    before = released(store, b"one")
    assert committed(store, lay=[override("a")]) == Pointer(before.version, before.digest, 2)
    assert store.pointer().revision == 2


def test_the_first_commit_needs_no_release(store: Store) -> None:
    assert committed(store, lay=[override("a")]) == Pointer(0, "", 1)


def test_an_override_comes_back_as_it_was_laid(open_store: Open) -> None:
    full = override("Flag.with-dots_1", status=True, description="Grüße 日本語 👩‍🚀")
    absent = Override("gone", None, "ada", "", AT, AT)
    committed(open_store(), lay=[full, absent])
    assert open_store().state().overrides == {"Flag.with-dots_1": full, "gone": absent}


def test_a_definition_keeps_the_types_of_its_values_and_the_order_of_its_keys(store: Store) -> None:
    """An arm's order decides who gets it, and 5 is not 5.0 to a caller."""
    values: dict[str, Any] = {
        "variants": {"z": 5, "a": 5.0, "m": 0.1, "big": 2**53 + 1, "small": -0.001, "tiny": 1e-9, "huge": 1e300},
        "more": [True, False, None, "", "5", [], {}, [1, 1.0, True], {"b": {"a": [{}]}}],
        "default": {"split": {"z": 1, "a": 2}},
    }
    committed(store, lay=[override("a", **values)])
    assert json.dumps(store.state().overrides["a"].definition) == json.dumps(values)


def test_laying_again_replaces(store: Store) -> None:
    committed(store, lay=[override("a", status=True), override("b", status=True)])
    committed(store, lay=[override("a", status=False)])
    assert {name: one.definition for name, one in store.state().overrides.items()} == {
        "a": {"status": False},
        "b": {"status": True},
    }


def test_lifting_removes_that_override_and_no_other(store: Store) -> None:
    committed(store, lay=[override("a"), override("b")])
    committed(store, lift=["a", "never-laid"])
    assert set(store.state().overrides) == {"b"}


def test_overrides_come_in_the_order_of_their_names(store: Store) -> None:
    committed(store, lay=[override(name) for name in ("b", "c", "a")])
    assert list(store.state().overrides) == ["a", "b", "c"]


def test_a_retired_name_is_kept_with_its_moment_until_it_is_reused(store: Store) -> None:
    committed(store, retire=["old", "older"], audit=[entry(1)])
    assert store.state().retired == {"old": AT, "older": AT}
    committed(store, reuse=["old", "never-retired"])
    assert set(store.state().retired) == {"older"}


def test_one_commit_does_all_of_its_parts(store: Store) -> None:
    committed(store, lay=[override("lifted"), override("stays")], retire=["reused"], audit=[entry(1)])
    release = staged(store, b"two")
    pointer = committed(
        store,
        activate=release.version,
        lay=[override("laid")],
        lift=["lifted"],
        retire=["retired"],
        reuse=["reused"],
        audit=[entry(2, "laid"), entry(3)],
    )
    state = store.state()
    assert (state.pointer, pointer.version, pointer.revision) == (pointer, release.version, 2)
    assert set(state.overrides) == {"stays", "laid"}
    assert set(state.retired) == {"retired"}
    assert [one.reason for one in store.audit()] == [entry(number).reason for number in (3, 2, 1)]


@pytest.mark.parametrize("expected", [0, 2, -1], ids=["stale", "ahead", "absurd"])
def test_a_commit_on_another_revision_writes_nothing_at_all(store: Store, expected: int) -> None:
    released(store, b"one")
    release = staged(store, b"two")
    before, audit = store.state(), list(store.audit())
    change = Change(
        activate=release.version, lay=[override("a")], retire=["b"], audit=[entry(9, "a")], reuse=["c"], lift=["d"]
    )
    with pytest.raises(Conflict):
        store.commit(change, expected=expected)
    assert store.state() == before
    assert list(store.audit()) == audit == []


def test_a_lost_race_leaves_what_was_laid_retired_and_lifted(store: Store) -> None:
    committed(store, lay=[override("laid", status=True)], retire=["retired"], audit=[entry(1)])
    before = store.state()
    change = Change(lift=["laid"], lay=[override("laid", status=False)], reuse=["retired"])
    with pytest.raises(Conflict):
        store.commit(change, expected=0)
    assert store.state() == before


@pytest.mark.parametrize("version", [0, 2, 99, -1])
def test_activating_what_was_never_staged_is_refused_and_writes_nothing(store: Store, version: int) -> None:
    released(store)
    before = store.state()
    with pytest.raises(NotFound):
        store.commit(Change(activate=version, lay=[override("a")], audit=[entry(1)]), expected=1)
    assert store.state() == before
    assert list(store.audit()) == []


def test_releases_are_read_newest_first_in_pages(store: Store) -> None:
    made = [staged(store, str(number).encode()) for number in range(5)]
    assert list(store.releases(limit=2)) == [made[4], made[3]]
    assert list(store.releases(limit=2, before=4)) == [made[2], made[1]]
    assert list(store.releases(before=2)) == [made[0]]
    assert list(store.releases(before=1)) == []


def test_collecting_keeps_the_newest_and_the_one_that_is_served(store: Store) -> None:
    for number in range(6):
        staged(store, str(number).encode())
    committed(store, activate=2)
    assert store.collect(keep=2) == 3
    assert [release.version for release in store.releases()] == [6, 5, 2]
    assert [store.payload(version) for version in (6, 5, 2)] == [b"5", b"4", b"1"]
    for version in (1, 3, 4):
        with pytest.raises(NotFound):
            store.payload(version)
        with pytest.raises(NotFound):
            store.commit(Change(activate=version), expected=1)
    assert store.collect(keep=2) == 0


def test_a_collected_version_is_not_given_again(store: Store) -> None:
    for _ in range(3):
        staged(store)
    store.collect(keep=1)
    assert staged(store).version == 4


def test_collecting_changes_nothing_that_is_served(store: Store) -> None:
    for number in range(3):
        released(store, str(number).encode())
    before = store.state()
    store.collect(keep=1)
    assert store.state() == before


def test_twenty_releases_are_kept_unless_configured_otherwise(store: Store) -> None:
    for _ in range(22):
        staged(store)
    assert store.collect() == 2
    assert len(store.releases(limit=100)) == 20


@pytest.mark.parametrize("number", [49, 50, 120, 500])
def test_one_commit_takes_any_number_of_overrides(open_store: Open, number: int) -> None:
    """DynamoDB takes 100 items in a transaction; each override here is one, and so is its audit entry."""
    store = open_store()
    names = [f"flag-{n:04}" for n in range(number)]
    entries = [entry(n, name) for n, name in enumerate(names)]
    laid = committed(store, lay=[override(name, n=n) for n, name in enumerate(names)], audit=entries)
    assert {name: (one.definition or {})["n"] for name, one in open_store().state().overrides.items()} == {
        name: n for n, name in enumerate(names)
    }
    assert [one.flag for one in open_store().audit(limit=1000)] == names[::-1]
    assert [one.flag for one in store.audit(limit=7, before=store.audit(limit=3)[-1].id)] == names[::-1][3:10]
    version = staged(store).version
    change = Change(activate=version, lift=names[1:], lay=[override("new")], retire=names, audit=entries)
    after = store.commit(change, expected=laid.revision)
    state = open_store().state()
    assert (state.pointer, set(state.overrides), set(state.retired)) == (after, {names[0], "new"}, set(names))
    assert len(open_store().audit(limit=2000)) == 2 * number
    committed(store, lift=[names[0]], reuse=names)
    assert (set(store.state().overrides), store.state().retired) == ({"new"}, {})


def test_a_commit_of_any_number_that_lost_the_race_writes_nothing(store: Store) -> None:
    committed(store, lay=[override("a")])
    before = store.state()
    names = [f"flag-{n}" for n in range(300)]
    with pytest.raises(Conflict):
        store.commit(Change(lay=[override(name) for name in names], audit=[entry(n) for n in range(300)]), expected=0)
    assert (store.state(), list(store.audit())) == (before, [])


@pytest.mark.parametrize("status", [True, False], ids=["a change", "a kill"])
@pytest.mark.parametrize("targets", [7_000, 10_000, 100_000])
def test_an_override_takes_any_number_of_targets(open_store: Open, targets: int, status: bool) -> None:
    """An item takes 400 KB: 7,000 users in two arms are more as soon as they are written twice."""
    users = [sha256(str(n).encode()).hexdigest()[:36] for n in range(targets)]
    definition = {"status": status, "targets": {"on": users[::2], "off": users[1::2]}, "description": "large"}
    committed(open_store(), lay=[override("a", **definition), override("b", status=True)], audit=[entry(1, "a")])
    state = open_store().state()
    assert json.dumps(state.overrides["a"].definition) == json.dumps(definition)
    committed(open_store(), lay=[override("c")])
    assert set(open_store().state().overrides) == {"a", "b", "c"}
    committed(open_store(), lift=["a"])
    assert set(open_store().state().overrides) == {"b", "c"}


def test_as_many_names_are_retired_as_there_are(store: Store) -> None:
    names = [f"{n:05}-{'x' * 100}" for n in range(6_000)]
    committed(store, retire=names, audit=[entry(1)])
    assert store.state().retired == dict.fromkeys(names, AT)
    committed(store, reuse=names[1:])
    assert store.state().retired == {names[0]: AT}


def test_what_a_release_settled_counts_while_that_is_live(store: Store) -> None:
    released(store, b"one")
    committed(store, activate=staged(store, b"two").version, canary=TRIAL, settled={"a": "1"})
    assert store.state().settled == {"a": "1"}
    committed(store, lay=[override("b")], settled={"b": "2"})
    assert store.state().settled == {"a": "1", "b": "2"}
    committed(store, lay=[override("c")])
    assert store.state().settled == {"a": "1", "b": "2"}
    committed(store, activate=2, settled={"c": "3"})
    assert store.state().settled == {"c": "3"}
    committed(store, activate=2)
    assert store.state().settled == {}
    committed(store, settled={"b": "2"})
    committed(store, activate=1)
    assert store.state().settled == {}
    committed(store, settled={"d": "4"})
    assert store.state().settled == {"d": "4"}


TRIAL = Canary(base=1, share=12.5, since=AT, until="2027-01-01T00:15:00Z")


def test_a_trial_begins_with_an_activation_and_ends_with_the_next(open_store: Open) -> None:
    store = open_store()
    released(store, b"one")
    tried = committed(store, activate=staged(store, b"two").version, canary=TRIAL)
    assert tried == Pointer(2, sha256(b"two").hexdigest(), 2, TRIAL)
    assert open_store().pointer() == tried
    assert committed(store, lay=[override("a")]).canary == TRIAL
    assert open_store().state().pointer.canary == TRIAL
    assert committed(store, activate=2) == Pointer(2, tried.digest, 4)
    assert open_store().state().pointer.canary is None


def test_collecting_keeps_what_a_trial_falls_back_on(store: Store) -> None:
    released(store, b"one")
    released(store, b"two")
    committed(store, activate=staged(store, b"three").version, canary=TRIAL)
    assert store.collect(keep=1) == 1
    assert [release.version for release in store.releases()] == [3, 1]
    assert store.payload(1) == b"one"
