"""A clock that tests move, and receivers of webhooks: in this process, or behind a socket."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from burgee.stores import Shelf
from burgee.stores.audit import AuditContext
from burgee.webhooks import endpoints
from burgee.webhooks.endpoints import Kind, Wanted, add
from burgee.webhooks.outbox import Deps, Outbox
from burgee.webhooks.sealing import Unsealed
from burgee.webhooks.sending import Outcome
from support.stores import committed, entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from burgee.stores import Store
    from burgee.webhooks.endpoints import Endpoint

START = 1_800_000_000.0
DOWN = Outcome(why="no connection")
OK = Outcome(200)


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Received(NamedTuple):
    """One request as a receiver saw it, and its answer."""

    at: float
    fields: dict[str, str]
    body: dict[str, Any]
    outcome: Outcome

    @property
    def reason(self) -> str:
        """Which change it is about."""
        return str(self.body["data"]["reason"])


class Receivers:
    """Receivers by URL, in place of a network: each answers as its function says, 200 by default."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.answers: dict[str, Callable[[Received], Outcome]] = {}
        self.received: dict[str, list[Received]] = {}
        self.hanging: dict[str, Event] = {}
        """Requests to these wait until the event is set."""
        self._lock = Lock()

    def send(self, url: str, fields: Mapping[str, str], body: bytes) -> Outcome:
        """Answers a request."""
        if url in self.hanging:
            self.hanging[url].wait()
        asked = Received(self.clock.now, dict(fields), json.loads(body), OK)
        outcome = self.answers[url](asked) if url in self.answers else OK
        with self._lock:
            self.received.setdefault(url, []).append(asked._replace(outcome=outcome))
        return outcome

    def release(self) -> None:
        """Lets every request that hangs go on."""
        for event in self.hanging.values():
            event.set()

    def delivered(self, url: str) -> list[str]:
        """The changes that a receiver accepted, in the order in which they came."""
        return [one.reason for one in self.received.get(url, []) if one.outcome.is_delivered]


class World:
    """A store, its outbox, a clock, and receivers."""

    def __init__(self, store: Store) -> None:
        self.store, self.clock = store, Clock()
        self.receivers = Receivers(self.clock)
        self.logged: list[str] = []
        self.outbox = self.another()
        self.written = 0

    def another(self) -> Outbox:
        """The outbox of another process on the same store."""
        deps = Deps(self.receivers, Unsealed(), None, self.clock, lambda: 0.5, self.logged.append)
        return Outbox(self.store, deps)

    def receiver(self, name: str, kind: Kind = Kind.STANDARD, actions: tuple[str, ...] = ()) -> Endpoint:
        """A webhook to `https://NAME.example.com/hook`; what was sent because it was added is forgotten."""
        made = add(self.store, Unsealed(), Wanted(url(name), kind, name, actions), self.act("webhook.add")).endpoint
        self.run()
        self.receivers.received.clear()
        return made

    def act(self, action: str) -> AuditContext:
        """An act of an operator now."""
        return AuditContext(action, "ada", "", self.clock.now)

    def change(self, flag: str | None = "beta") -> str:
        """A change, distinguished by its reason, which is returned."""
        self.written += 1
        one = entry(self.written, flag)
        committed(self.store, audit=[one])
        return one.reason

    def run(self, outbox: Outbox | None = None) -> None:
        """A pass of the outbox, and all that is sent in it."""
        outbox = outbox or self.outbox
        outbox.step()
        assert outbox.settle(60)

    def pass_time(self, seconds: float, step: float = 60.0) -> None:
        """Runs the outbox again and again while time passes."""
        end = self.clock.now + seconds
        while self.clock.now < end:
            self.clock.now = min(end, self.clock.now + step)
            self.run()


def url(name: str) -> str:
    """The URL of a receiver."""
    return f"https://{name}.example.com/hook"


class Post(NamedTuple):
    """A request at a socket."""

    path: str
    fields: dict[str, str]
    body: bytes


@contextmanager
def listening(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[Post]]]:
    """A receiver on a port of this machine: its URL, and the requests it got. `answer` writes each answer."""
    posts: list[Post] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            posts.append(Post(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            answer(self)

        def log_message(self, *_arguments: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", posts
    finally:
        server.shutdown()
        server.server_close()


def says(status: int, **fields: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answers with a status."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in fields.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer


def waiting(world: World) -> int:
    """How many messages wait."""
    return len(world.store.shelf(Shelf.DELIVERIES))


def endpoint_id(world: World, name: str) -> str:
    """The id of a webhook by its name."""
    return next(one.id for one in endpoints.listed(world.store) if one.name == name)
