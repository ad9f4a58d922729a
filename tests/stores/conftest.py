"""The stores that have to pass the contract; each factory opens a store on one shared set of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from burgee.stores import Store, Tenant

    Open = Callable[..., Store]


@pytest.fixture(params=["sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same data as often as it is called, for one tenant or another."""
    assert request.param == "sqlite"
    opened: list[Store] = []

    def make(tenant: Tenant | None = None) -> Store:
        opened.append(SqliteStore(tmp_path / "state.sqlite", tenant))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Open) -> Store:
    """One store."""
    return open_store()
