"""A function that goes on from a snapshot: what its hooks do, as Lambda's runtime client would call them."""

from __future__ import annotations

import random
from typing import Any

import pytest
import snapshot_restore_py as hooks

from burgee.evaluation.snapshots import payload
from burgee.handlers import wiring
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from support.stores import released


class Watched(SqliteStore):
    """Counts how often its connections are closed, and keeps them."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {"before": [], "after": []}
    monkeypatch.setattr(hooks, "register_before_snapshot", found["before"].append)
    monkeypatch.setattr(hooks, "register_after_restore", found["after"].append)
    return found


def test_a_restored_function_hangs_up_first_then_reseeds_and_looks_at_the_table(
    registered: dict[str, list[Any]],
) -> None:
    store = Watched(":memory:")
    serving = Serving(store, refresh_seconds=1e9)
    serving.refresh()
    wiring.snapshots(serving, store)
    for hook in registered["before"]:
        hook()
    assert store.closed == 1
    released(store, payload({"format": 1, "environment": None, "flags": {"new": {"status": True}}}))
    assert serving.ruleset().names() == []
    random.seed(1)
    expected = random.random()
    random.seed(1)
    for hook in registered["after"]:
        hook()
    assert serving.ruleset().names() == ["new"]
    assert random.random() != expected
    SqliteStore.close(store)


def test_without_a_table_only_the_restoring_is_registered(registered: dict[str, list[Any]]) -> None:
    wiring.snapshots(Serving(), None)
    assert [len(found) for found in registered.values()] == [0, 1]
