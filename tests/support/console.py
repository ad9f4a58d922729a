"""The console in a real browser: one Chromium for all tests of the folder, and what each page must hold to."""

from __future__ import annotations

from contextlib import contextmanager
from importlib import resources
from typing import TYPE_CHECKING, Any

from support.browser import browser
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page

MODES = [("light", 1440, 900), ("dark", 1440, 900), ("light", 390, 844), ("dark", 320, 700)]
"""Colour scheme and size of the pages that axe looks at."""
_RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


class Shown:
    """A page of the console, and what the browser reported of it: errors of scripts, and breaches of the policy."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.reports: list[str] = []
        page.on("pageerror", lambda error: self.reports.append(str(error)))
        page.on("console", self._heard)
        page.on("dialog", self._asked)

    def _asked(self, dialog: Dialog) -> None:
        self.reports.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _heard(self, message: ConsoleMessage) -> None:
        # The browser and htmx also write down a refused request: its result is the page's to show. So they do
        # with those that the page takes back, for another; one that fails is `htmx:sendError` besides.
        known = "Failed to load resource", "Response Status Error Code", "htmx:sendAbort", "htmx:afterRequest"
        if message.type == "error" and not any(one in message.text for one in known):
            self.reports.append(message.text)

    def visit(self, url: str, heading: str) -> None:
        """Opens an address and waits for the heading of its page."""
        self.page.goto(url)
        self.arrives(heading)

    def arrives(self, heading: str) -> None:
        """Waits for a heading."""
        self.page.get_by_role("heading", name=heading, exact=True).first.wait_for()
        for waiting in ("#main[aria-busy]", ".htmx-request >> nth=0"):
            self.page.locator(waiting).wait_for(state="detached")

    def sound(self) -> None:
        """Nothing that it shows breaks a rule of WCAG, and nothing that it did broke the policy."""
        self.page.evaluate((resources.files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8"))
        # What was passed is reported too, by each element: checking that as a message takes longer than finding it.
        violations = self.page.evaluate("async rules => (await axe.run(document, rules)).violations", _RULES)
        broken = [
            f"{one['id']}: {node['target']} {node['failureSummary']}" for one in violations for node in one["nodes"]
        ]
        assert not broken, "\n".join(broken)
        # What overflows to the side makes a reader scroll both ways.
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"the page is {wide} px too wide"
        assert not self.reports, self.reports


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=browser(), args=["--no-sandbox"])
        yield found
        found.close()


@contextmanager
def shown(found: Browser, mode: tuple[str, int, int] = MODES[0], **more: Any) -> Iterator[Shown]:
    """A new page, without anything from other pages."""
    scheme, width, height = mode
    context = found.new_context(color_scheme=scheme, viewport={"width": width, "height": height}, **more)  # type: ignore[arg-type]
    context.set_default_timeout(1000 * PATIENCE)
    page = Shown(context.new_page())
    try:
        yield page
    finally:
        context.close()
