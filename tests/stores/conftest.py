"""The stores that have to pass the contract; each factory opens stores on one shared set of data."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from moto import mock_aws

from burgee.stores import Tenant
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS, table_at, wire_url

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from burgee.stores import Store
    from support.stores import Open


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


def tables(url: str | None) -> Iterator[Open]:
    """Each store has its own client to one table, made again."""
    opened: list[DynamoDbStore] = []
    name = f"burgee-{uuid4().hex}"

    def make(tenant: Tenant | None = None) -> Store:
        if opened:
            opened.append(DynamoDbStore(name, tenant, endpoint_url=url))
        else:
            opened.append(table_at(url, name, tenant))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def in_moto(_folder: Path) -> Iterator[Open]:
    """DynamoDB in this process."""
    with mock_aws():
        yield from tables(None)


def in_ministack(_folder: Path) -> Iterator[Open]:
    """DynamoDB over the wire."""
    yield from tables(wire_url())


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def in_another(_folder: Path) -> Iterator[Open]:
    """Whatever DynamoDB `BURGEE_DYNAMODB_URL` names: AWS's DynamoDB Local, for one."""
    yield from tables(os.environ["BURGEE_DYNAMODB_URL"])


PLACES = [in_a_file, in_memory, in_moto, in_ministack, *([in_another] if "BURGEE_DYNAMODB_URL" in os.environ else [])]


@pytest.fixture(params=PLACES, ids=lambda place: place.__name__)
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same data, empty at first, as often as it is called, for one tenant or another."""
    if request.param is in_moto and request.node.get_closest_marker("threads"):
        pytest.skip("moto loses updates when several threads write; MiniStack runs these")
    yield from request.param(tmp_path)


@pytest.fixture
def store(open_store: Open) -> Store:
    """One store."""
    return open_store()
