"""A store of each kind."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

import pytest
from moto import mock_aws

from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store


@pytest.fixture(params=["sqlite", "dynamodb"])
def any_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        if request.param == "dynamodb":
            stack.enter_context(mock_aws())
            table = DynamoDbStore("flags")
            table.create_table()
            yield stack.enter_context(closing(table))
        else:
            yield stack.enter_context(closing(SqliteStore(":memory:")))
