"""A stack of CloudFormation that begins a canary, and one that rolls back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from burgee.errors import Refused
from burgee.evaluation.snapshots import definition_digest
from burgee.model import Override
from burgee.releases.deploy import withdraw
from burgee.releases.stack_loader import load
from burgee.stores import Change, Origin
from burgee.stores.sqlite import SqliteStore
from support.canary import NOW, OFF, ON, act, override, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    store = SqliteStore(":memory:")
    yield store
    store.close()


def bundle(**flags: Any) -> Any:
    from burgee.serving.bundle import Bundle

    return Bundle(snapshot(**flags), Origin("abc", "ada", "change"))


def token(number: int) -> str:
    return f"arn:aws:lambda:eu-west-1:123456789012:function:flags-LoadFunction-x:{number}"


def test_a_stack_begins_a_trial_once_and_its_rollback_is_for_everybody(store: SqliteStore) -> None:
    first = {"ServiceToken": token(1), "Canary": "10", "Bake": "15m"}
    second = {**first, "ServiceToken": token(2)}
    load(store, bundle(a=OFF), first, NOW)
    load(store, bundle(a=ON), second, NOW + 1, first)
    begun = store.pointer()
    assert begun.canary is not None
    assert begun.canary.share == 10
    assert load(store, bundle(a=ON), second, NOW + 60, first) == "nothing changed"
    assert store.pointer() == begun, "asked again, the clock goes on"
    assert load(store, bundle(a=OFF), first, NOW + 120, second) == "release 1 is live again"
    assert store.pointer().canary is None


def test_a_stack_that_rolls_back_does_not_bring_back_what_the_alarm_took(store: SqliteStore) -> None:
    """Release 2 was withdrawn; an update to 3 is refused, and CloudFormation calls the loader of 2 again."""
    properties = [{"ServiceToken": token(number), "Canary": "10"} for number in range(4)]
    load(store, bundle(a=OFF), properties[1], NOW)
    load(store, bundle(a=ON), properties[2], NOW + 1, properties[1])
    withdraw(store, act(NOW + 60, "release.withdraw"), NOW + 60)
    assert "had released nothing" in load(store, bundle(a=ON), properties[2], NOW + 120, properties[3])
    assert store.pointer().version == 1
    again = load(store, bundle(a=ON), properties[3], NOW + 180, properties[2])
    assert again == "release 2 is live again"
    bake = store.pointer().canary
    assert bake is not None, "deployed again on purpose, it is a canary again"
    assert bake.base == 1


def test_a_stack_finds_its_own_release_behind_any_number_of_overrides(store: SqliteStore) -> None:
    """Overrides that went with the release, and others since."""
    first, second = ({"ServiceToken": token(number)} for number in (1, 2))
    names = [f"flag-{number:03}" for number in range(250)]
    load(store, bundle(a=OFF, **dict.fromkeys(names, ON)), first, NOW)
    state = store.state()
    laid = [Override(name, OFF, "ada", "b", "", "", None, definition_digest(ON)) for name in names]
    store.commit(Change(lay=laid), expected=state.pointer.revision)
    load(store, bundle(a=ON, **dict.fromkeys(names, OFF)), second, NOW + 1, first)
    assert store.state().overrides == {}
    assert store.audit(limit=1)[0].action == "release.activate"
    for _ in range(250):
        override(store, "a", OFF, NOW + 2)
        override(store, "a", ON, NOW + 3)
    rolled = load(store, bundle(a=OFF, **dict.fromkeys(names, ON)), first, NOW + 4, second)
    assert rolled == "release 1 is live again"


@pytest.mark.parametrize("properties", [{"Canary": "some"}, {"Canary": "10", "Bake": "soon"}, {"Canary": "100"}])
def test_properties_that_make_no_trial_are_refused(store: SqliteStore, properties: dict[str, str]) -> None:
    load(store, bundle(a=OFF), {}, NOW)
    with pytest.raises(Refused):
        load(store, bundle(a=ON), properties, NOW)
