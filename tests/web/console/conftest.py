from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from burgee.web import dry_run
from support.browser import browser
from support.console import chromium
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


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
