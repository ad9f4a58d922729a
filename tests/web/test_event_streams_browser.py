"""The stock web provider with its defaults, in a browser: it sees a kill through the event stream or a WebSocket.

`BURGEE_KILLS=50 pytest -s tests/web/test_event_streams_browser.py` measures the time from kill to repaint.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.settings import change
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.event_streams import DAY, stream_secret
from burgee.web.front import Setup
from burgee.web.live_sockets import SCRIPT
from support.browser import browser, serving, showing
from support.http import served
from support.keys import HOME, act, release
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from support.browser import PageReports

CLIENTS = Path(__file__).parents[1] / "clients"
KILLS = int(os.environ.get("BURGEE_KILLS", "4"))
PROGRAM = browser()
pytestmark = pytest.mark.skipif(
    PROGRAM is None or shutil.which("npm") is None, reason="no Chromium or no npm here; CI has both"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageReports]:
    """The page with the npm clients, at the versions of tests/clients/package.json."""
    folder = tmp_path_factory.mktemp("site")
    for path in (CLIENTS / "package.json", CLIENTS / "page.html"):
        shutil.copy(path, folder)
    patient, quick = SCRIPT.read_text(encoding="utf-8"), "3000"
    impatient = patient.replace("5000 + Math.random() * 10000", quick)
    assert quick in impatient
    (folder / SCRIPT.name).write_text(impatient, encoding="utf-8")
    command = ["npm", "install", "--silent", "--no-audit", "--no-fund"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"npm cannot install the clients: {ran.stderr[:200]}")
    with serving(folder) as reported:
        yield reported


class Service:
    """`burgee serve`, as far as its application and its server go, on a port that stays when it is started again."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.store = SqliteStore(folder / "db", HOME)
        release(self.store, {"beta": {"status": True}})
        change(self.store, [origin], act())
        self.secret = stream_secret(self.store)
        self.days = 0
        """Days by which the clock of its addresses is ahead."""
        self.stack = ExitStack()
        self.port = 0
        self.url = ""

    def start(self) -> None:
        serving = Serving(self.store, refresh_seconds=1.0)
        self.app: Any = create_app(self.store, serving, Setup(streams=self.secret))
        ahead = self.days * DAY
        streams: Any = self.app.front.streams
        token, tenant_of = streams.token, streams.tenant_of
        streams.token = lambda tenant, now: token(tenant, now + ahead)
        streams.tenant_of = lambda said, now: tenant_of(said, now + ahead)
        self.url = self.stack.enter_context(served(self.app, self.port))
        self.port = int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        self.stack.close()

    def say(self, what: str) -> None:
        """Kills the flag, or takes the kill back, through the API."""
        body = json.dumps({"reason": "test"}).encode()
        url = f"{self.url}/flags/beta/{what}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=10).close()


@pytest.fixture
def service(tmp_path: Path, site: PageReports) -> Iterator[Service]:
    made = Service(tmp_path, site.origin)
    made.start()
    yield made
    made.stop()
    made.store.close()


def page(
    service: Service, site: PageReports, folder: Path, query: str = ""
) -> AbstractContextManager[Callable[[signal.Signals], None]]:
    """A browser that shows the page, which asks the service; it gives what sends the browser a signal."""
    assert PROGRAM is not None
    return showing(PROGRAM, f"{site.origin}/page.html?{query}&service={service.url}", folder / "profile")


def test_a_page_repaints_after_a_kill_a_restart_and_an_address_that_is_over(
    service: Service, site: PageReports, tmp_path: Path
) -> None:
    with page(service, site, tmp_path):
        kill_often(service, site, "event stream")

        service.stop()
        kill_directly(service)
        service.start()
        site.value(False)

        # Addresses that were signed before no longer work, while no flag changes: the page gets a new one, once.
        service.stop()
        service.secret = b"another secret of another day..."
        service.start()
        asked = len(site.statuses)
        eventually(lambda: service.app.front.streams.count)
        service.say("unkill")
        site.value(True)
        assert len(site.statuses) - asked < 8, "it does not go round"

        # Who comes back first sees what they saw last, with the address of then.
        service.stop()
        service.days = 20
        service.start()
        service.say("kill")
        site.order = "reload"
        site.value(False)

        # And if nothing has changed, they are notified of the next change.
        service.stop()
        service.days = 40
        service.start()
        site.order = "reload"
        asked = len(site.statuses)
        site.value(False)
        eventually(lambda: not site.order and service.app.front.streams.count)
        service.say("unkill")
        site.value(True)
        assert len(site.statuses) - asked < 8, "it does not go round"


@pytest.mark.parametrize("query", ["", "live"])
def test_a_change_during_a_slow_evaluation_is_not_missed(
    service: Service, site: PageReports, tmp_path: Path, query: str
) -> None:
    """The provider skips an evaluation that the module asks for while another is under way."""
    with page(service, site, tmp_path, f"{query}&slow=2000"):
        site.value(True)
        eventually(lambda: service.app.front.streams.count)
        answered: list[Any] = []
        service.app.front.watch = answered.append
        service.say("kill")
        # By its reason: the page may also get an answer that was computed before the kill.
        eventually(lambda: any(one.operation == "bulk" and "DISABLED" in one.reasons for one in answered))
        service.say("unkill")
        site.value(False)
        site.value(True)


@pytest.mark.parametrize("query", ["inactivity=1", "live"])
def test_a_page_that_was_hidden_repaints_once_it_is_seen(
    service: Service, site: PageReports, tmp_path: Path, query: str
) -> None:
    """The provider closes the event stream of a page that is hidden for two minutes, here for a second."""
    with page(service, site, tmp_path, query):
        site.value(True)
        streams = service.app.front.streams
        eventually(lambda: streams.count)
        site.order = "hidden"
        eventually(lambda: not site.order and streams.count == ("live" in query))
        service.say("kill")
        site.order = "visible"
        site.value(False)
        eventually(lambda: streams.count)
        service.say("unkill")
        site.value(True)


@pytest.mark.parametrize("query", ["", "live"])
def test_a_machine_that_slept_repaints_once_it_wakes(
    service: Service, site: PageReports, tmp_path: Path, query: str
) -> None:
    with page(service, site, tmp_path, query) as signalled:
        site.value(True)
        eventually(lambda: service.app.front.streams.count)
        signalled(signal.SIGSTOP)
        service.stop()  # which closes the connections, as what does not answer is closed
        kill_directly(service)
        service.start()
        signalled(signal.SIGCONT)
        site.value(False)


def test_a_page_with_the_module_repaints_through_a_websocket_after_a_kill_and_a_restart(
    service: Service, site: PageReports, tmp_path: Path
) -> None:
    with page(service, site, tmp_path, "live"):
        kill_often(service, site, "WebSocket")
        service.stop()
        kill_directly(service)
        began = time.monotonic()
        service.start()
        print(f"after a restart: {1000 * (site.value(False) - began):.0f} ms")


def kill_often(service: Service, site: PageReports, by: str) -> None:
    """Measures the time from kill to repaint; the flag is on before and after."""
    site.value(True)
    eventually(lambda: service.app.front.streams.count)
    seconds = []
    for number in range(KILLS):
        began = time.monotonic()
        service.say("unkill" if number % 2 else "kill")
        seconds.append(site.value(bool(number % 2)) - began)
    ranked = sorted(seconds)
    middle, last = statistics.median(ranked), ranked[int(len(ranked) * 0.99)]
    print(f"\n{KILLS} kills to repaint by {by}: p50 {1000 * middle:.0f} ms, p99 {1000 * last:.0f} ms")
    if KILLS % 2:
        service.say("unkill")
        site.value(True)


def kill_directly(service: Service) -> None:
    """While nothing serves."""
    from burgee.releases.deploy import write
    from burgee.releases.overrides import lay

    off: dict[str, Any] = {"status": False}
    write(service.store, lambda state, git: lay(state, git, "beta", off, act("flag.kill")))
