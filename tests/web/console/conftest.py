from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.browser import browser
from support.console import chromium

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def page_browser() -> Iterator[Browser]:
    """Chromium, started once for all tests of a module: while it runs, asyncio has no other loop in this thread."""
    if browser() is None:
        pytest.skip("no Chromium here; CI has it")
    with chromium() as found:
        yield found
