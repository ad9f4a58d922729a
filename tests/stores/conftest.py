"""The stores that have to pass the contract; each factory opens stores on one shared set of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.stores import Tenant
from burgee.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from burgee.stores import Store
    from support_stores import Open


def in_a_file(folder: Path) -> Iterator[Open]:
    """Each store has its own connection to one file."""
    opened: list[SqliteStore] = []

    def make(tenant: Tenant | None = None) -> Store:
        opened.append(SqliteStore(folder / "state.sqlite", tenant))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def in_memory(_folder: Path) -> Iterator[Open]:
    """Memory has one connection to it, so who opens a tenant twice gets the same store."""
    opened: dict[Tenant, SqliteStore] = {}

    def make(tenant: Tenant | None = None) -> Store:
        key = tenant or Tenant()
        if key not in opened:
            opened[key] = SqliteStore(":memory:", key)
        return opened[key]

    yield make
    for store in opened.values():
        store.close()


@pytest.fixture(params=[in_a_file, in_memory], ids=lambda place: place.__name__)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same data, empty at first, as often as it is called, for one tenant or another."""
    yield from request.param(tmp_path)


@pytest.fixture
def store(open_store: Open) -> Store:
    """One store."""
    return open_store()
