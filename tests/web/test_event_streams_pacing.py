"""How soon the pages of an event stream are notified, and how many there may be; without a server."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web import event_streams
from burgee.web.event_streams import EventStreams, Wire
from burgee.web.tenants import Tenants
from support.event_streams import FLAGS, kill
from support.keys import HOME, OTHER, release
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from burgee.stores import Tenant


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "db", HOME)
    release(store, FLAGS)
    yield store
    store.close()


class Line:
    """A connection without a server: a name, and what it was sent; its client reads that while `reads` is set."""

    def __init__(self, sent: list[tuple[str, str]], name: str) -> None:
        self.sent = sent
        self.name = name
        self.reads = asyncio.Event()
        self.reads.set()
        self.ended = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.ended.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append((self.name, message["text"]))
        await self.reads.wait()
        if message["text"] == "end":
            self.ended.set()


class Lines:
    """Connections of a service without a server."""

    def __init__(self, store: SqliteStore, rate: float = 0.0) -> None:
        self.streams = EventStreams(Tenants(Serving(store, refresh_seconds=0.0), store), b"x" * 32, rate)
        self.sent: list[tuple[str, str]] = []
        self.tasks: list[asyncio.Task[None]] = []

    def open(self, name: str, held: str = "1", tenant: Tenant = HOME) -> Line:
        wire = Wire((), lambda position: {"text": position}, {"text": "end"})
        line = Line(self.sent, name)
        holding = self.streams.held_open(tenant, held, wire, line.receive, line.send)
        self.tasks.append(asyncio.ensure_future(holding))
        return line

    async def until(self, look: Callable[[], bool]) -> None:
        async def looking() -> None:
            while not look():
                await asyncio.sleep(0.001)

        await asyncio.wait_for(looking(), PATIENCE)

    async def ticks(self) -> None:
        """Long enough for some ticks."""
        for _ in range(50):
            await asyncio.sleep(0.001)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.until(lambda: self.streams.count == 0)


def on_lines(store: SqliteStore, monkeypatch: pytest.MonkeyPatch, body: Callable[[Lines], Awaitable[None]]) -> Lines:
    monkeypatch.setattr(event_streams, "TICK_SECONDS", 0.001)

    async def run() -> Lines:
        lines = Lines(store)
        await body(lines)
        await lines.close()
        return lines

    return asyncio.run(run())


def test_a_page_that_waits_is_notified_once_however_much_changes_meanwhile(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(lines: Lines) -> None:
        for name in "abc":
            lines.open(name)
        await lines.ticks()
        for _ in range(3):
            kill(store)
            await lines.ticks()
        lines.streams._rate = 1e6
        await lines.until(lambda: len(lines.sent) == 3)
        kill(store)
        await lines.until(lambda: len(lines.sent) >= 6)
        await lines.ticks()

    sent = on_lines(store, monkeypatch, body).sent
    assert sorted(sent) == [(name, position) for name in "abc" for position in "45"]


def test_those_who_come_back_behind_are_notified_at_the_same_rate(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill(store)

    async def body(lines: Lines) -> None:
        for number in range(20):
            lines.open(str(number))
        await lines.ticks()
        assert not lines.sent, "nothing is allowed"
        lines.streams._rate = 1e6
        await lines.until(lambda: len(lines.sent) == 20)

    assert {position for _, position in on_lines(store, monkeypatch, body).sent} == {"2"}


def test_a_page_that_goes_while_it_waits_leaves_nothing(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(lines: Lines) -> None:
        lines.open("stays")
        for _ in range(20):
            line = lines.open("goes", "0")
            await lines.until(lambda: lines.streams.count == 2)
            line.ended.set()
            await lines.until(lambda: lines.streams.count == 1)
        (channel,) = lines.streams._channels.values()
        assert channel.waiting.keys() <= channel.streams
        assert len(lines.streams._turns) <= 1
        kill(store)
        lines.streams._rate = 1e6
        await lines.until(lambda: bool(lines.sent))

    assert on_lines(store, monkeypatch, body).sent == [("stays", "2")]


def test_a_tenant_with_many_pages_holds_up_no_other(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = store.at(OTHER)
    release(theirs, FLAGS)

    async def body(lines: Lines) -> None:
        for _ in range(100):
            lines.open("many")
        lines.open("one", tenant=OTHER)
        await lines.ticks()
        kill(store)
        await lines.ticks()
        kill(theirs)
        await lines.ticks()
        lines.streams._rate = 1_000.0
        await lines.until(lambda: len(lines.sent) == 101)

    assert ("one", "2") in on_lines(store, monkeypatch, body).sent[:2]


def test_old_connections_end_a_few_at_a_time_whether_or_not_they_read(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body(lines: Lines) -> None:
        monkeypatch.setattr(event_streams, "TICK_SECONDS", 1_000.0)
        monkeypatch.setattr(event_streams, "OPEN_SECONDS", 10.0)
        slow = lines.open("slow", "0")
        slow.reads.clear()
        for number in range(9):
            lines.open(str(number))
        await lines.until(lambda: lines.streams.count == 10)
        monkeypatch.setattr(event_streams, "OPEN_SECONDS", 1_000.0)
        lines.open("young")
        await lines.until(lambda: lines.streams.count == 11)
        later = time.monotonic() + 100
        assert [lines.streams._end(later, most) for most in (0, 3, 100, 100)] == [0, 3, 7, 0]
        await lines.until(lambda: lines.streams.count == 2)
        slow.reads.set()
        await lines.until(lambda: lines.streams.count == 1)

    assert on_lines(store, monkeypatch, body).sent == [(name, "end") for name in ("slow", *"012345678")]
