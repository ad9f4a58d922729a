"""Webhooks on a store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.stores.sqlite import SqliteStore
from support.webhooks import World

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def world() -> Iterator[World]:
    store = SqliteStore(":memory:")
    found = World(store)
    yield found
    found.receivers.release()
    store.close()
