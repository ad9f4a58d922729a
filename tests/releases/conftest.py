"""A store of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.dynamodb import either_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from burgee.stores import Store


@pytest.fixture(params=["sqlite", "dynamodb"])
def any_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with either_store(request.param, monkeypatch) as store:
        yield store
