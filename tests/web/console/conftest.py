from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.access.keys import Scope
from burgee.web import dry_run
from support.browser import browser
from support.console import chromium
from support.keys import caller, shop
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from starlette.testclient import TestClient

    from burgee.stores.sqlite import SqliteStore


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[SqliteStore]:
    """A store in which `FLAGS` of the test's module are released."""
    yield from shop(request.module.FLAGS)


@pytest.fixture
def client(request: pytest.FixtureRequest, store: SqliteStore) -> TestClient:
    """A caller whose key has `SCOPES` of the test's module; without them it may read."""
    return caller(store, *getattr(request.module, "SCOPES", (Scope.READ,)))


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """An effect is computed when the machine has nothing else to do: here, however long that takes."""
    monkeypatch.setattr(dry_run, "SECONDS", PATIENCE)


@pytest.fixture(scope="module")
def page_browser() -> Iterator[Browser]:
    """Chromium, started once for all tests of a module: while it runs, asyncio has no other loop in this thread."""
    if browser() is None:
        pytest.skip("no Chromium here; CI has it")
    with chromium() as found:
        yield found
