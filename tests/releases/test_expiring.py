"""What ends by itself is written down once, changes no answer, and loses nothing that was done in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.model import Override
from burgee.releases.deploy import CanaryRequest, Consent, apply, live, write
from burgee.releases.expiring import Expiry, next_end
from burgee.releases.overrides import laid_over, lay
from burgee.stores import Change, Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.times import format_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from burgee.stores import Store

NOW = 1_800_000_000.0
ON = {"status": True}


@pytest.fixture
def store() -> Iterator[Store]:
    found = SqliteStore(":memory:")
    yield found
    found.close()


def act(action: str, now: float = NOW, until: float | None = None) -> AuditContext:
    return AuditContext(action, "ada", "because", now, None if until is None else format_time(until))


def release(store: Store, consent: Consent | None = None, **flags: Any) -> None:
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
    apply(store, snapshot, Origin("c0ffee"), act("release.activate"), consent)


def kill(store: Store, flag: str, until: float | None) -> None:
    off = {"status": False}
    write(store, lambda state, snapshot: lay(state, snapshot, flag, off, act("flag.kill", NOW, until)))


def served(store: Store, now: float) -> Any:
    state, snapshot = live(store)
    return laid_over(snapshot, state.overrides.values(), now)


def test_an_override_that_expired_leaves_with_an_entry_and_the_answers_stay(store: Store) -> None:
    release(store, beta=ON, other=ON)
    kill(store, "beta", NOW + 60)
    kill(store, "other", None)
    expiry = Expiry(store)
    for moment in (NOW, NOW + 59.9):
        expiry.step(moment)
    assert set(store.state().overrides) == {"beta", "other"}
    before = served(store, NOW + 60)
    expiry.step(NOW + 60)
    expiry.step(NOW + 61)
    Expiry(store).step(NOW + 62)
    assert set(store.state().overrides) == {"other"}
    assert served(store, NOW + 60) == before
    found = [one for one in store.audit() if one.action == "override.expire"]
    assert [(one.flag, one.actor, one.before, one.after) for one in found] == [
        (
            "beta",
            "burgee",
            {"status": False, **{k: v for k, v in (found[0].before or {}).items() if k != "status"}},
            ON,
        )
    ]
    assert found[0].reason == f"set by ada until {format_time(NOW + 60)}"


def test_one_that_was_laid_again_meanwhile_stays(store: Store) -> None:
    release(store, beta=ON)
    kill(store, "beta", NOW + 60)
    expiry = Expiry(store)
    expiry.step(NOW)
    kill(store, "beta", NOW + 600)
    expiry.step(NOW + 61)
    assert set(store.state().overrides) == {"beta"}


def test_a_write_between_reading_and_committing_is_kept(store: Store) -> None:
    release(store, beta=ON)
    kill(store, "beta", NOW + 60)
    real = store.commit

    def raced(change: Change, *, expected: int) -> Any:
        store.commit = real  # type: ignore[method-assign]
        kill(store, "beta", None)
        return real(change, expected=expected)

    expiry = Expiry(store)
    expiry.step(NOW)
    store.commit = raced  # type: ignore[method-assign]
    expiry.step(NOW + 61)
    expiry.step(NOW + 62)
    assert store.state().overrides["beta"].expires_at is None
    assert not [one for one in store.audit() if one.action == "override.expire"]


def test_a_canary_that_ended_is_written_down_once_and_stays_released(store: Store) -> None:
    release(store, beta=ON)
    release(store, Consent(canary=CanaryRequest(5, 60)), beta={"status": False})
    expiry = Expiry(store)
    expiry.step(NOW + 59)
    assert store.pointer().canary is not None
    for moment in (60, 61, 62):
        expiry.step(NOW + moment)
    pointer = store.pointer()
    assert (pointer.version, pointer.canary) == (2, None)
    entries = [one for one in store.audit() if one.action == "canary.end"]
    assert [(one.release, (one.before or {})["base"]) for one in entries] == [(2, 1)]


def test_what_a_canary_caught_up_with_is_still_absorbed_by_the_next_deploy(store: Store) -> None:
    """The end of a canary forgets nothing about overrides that Git agrees with."""
    release(store, beta=ON, other=ON)
    kill(store, "beta", None)
    release(store, Consent(canary=CanaryRequest(5, 60)), beta={"status": False}, other=ON)
    settled = store.state().settled
    assert set(settled) == {"beta"}
    Expiry(store).step(NOW + 61)
    assert store.state().settled == settled
    release(store, beta={"status": False}, other={"status": False})
    assert store.state().overrides == {}
    assert [one.action for one in store.audit(limit=2)] == ["release.activate", "override.absorb"]


def test_nothing_ends_where_nothing_is(store: Store) -> None:
    assert next_end(store.state()) == float("inf")
    Expiry(store).step(NOW)
    assert store.pointer().revision == 0


def test_while_nothing_ends_only_the_pointer_is_read(store: Store) -> None:
    release(store, beta=ON)
    kill(store, "beta", NOW + 60)
    expiry = Expiry(store)
    expiry.step(NOW)
    store.state = lambda: pytest.fail("the state was read")  # type: ignore[method-assign]
    for moment in range(60):
        expiry.step(NOW + moment)


def test_many_that_end_together_leave_in_one_commit(store: Store) -> None:
    release(store, beta=ON)
    until = format_time(NOW + 60)
    laid = [Override(f"flag-{n}", ON, "ada", "", until, until, until) for n in range(300)]
    store.commit(Change(lay=laid), expected=store.pointer().revision)
    before = store.pointer().revision
    Expiry(store).step(NOW + 61)
    assert store.state().overrides == {}
    assert store.pointer().revision == before + 1
    assert len([one for one in store.audit(limit=1_000) if one.action == "override.expire"]) == 300
