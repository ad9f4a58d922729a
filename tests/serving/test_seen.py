"""Who has answered with a revision: true against a log of answers, and never said of all."""

from __future__ import annotations

import http.client
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from burgee.access.keys import Kind, Scope
from burgee.errors import NotFound, StoreUnavailable
from burgee.releases.deploy import write
from burgee.releases.overrides import lay
from burgee.serving.seen import REMEMBERED_SECONDS, Seen, note, own_name, seen, settled, wait, worded
from burgee.serving.serving import Serving, Taken
from burgee.stores import Put, Shelf
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from support.cli import Burgee
from support.dynamodb import CREDENTIALS, either_store, table_at, wire_url
from support.keys import HOME, bearer, release, service, token
from support.lambda_runtime import FUNCTIONS, emulator, event, function
from support.serve import serving
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from burgee.stores import Store
    from support.lambda_runtime import Function

FLAGS: dict[str, Any] = {"beta": {"status": True, "client": True}}
NOW = 2_000_000_000.0


@pytest.fixture(params=["sqlite", "dynamodb"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    with either_store(request.param, monkeypatch, HOME) as opened:
        release(opened, FLAGS)
        yield opened


def kill(store: Store) -> int:
    act = AuditContext("flag.kill", "ada", "why", time.time())
    return write(store, lambda state, git: lay(state, git, "beta", {"status": False, "client": True}, act)).revision


def committed_at(store: Store, revision: int) -> float:
    return float((store.find(Shelf.REVISIONS, str(revision)) or {})["at"])


def test_a_commit_leaves_its_time(store: Store) -> None:
    before = time.time()
    assert kill(store) == 2
    assert before <= committed_at(store, 2) <= time.time()
    assert committed_at(store, 1) < committed_at(store, 2)


def test_it_counts_who_answered_since_and_names_when_the_others_were_heard(store: Store) -> None:
    kill(store)
    at = committed_at(store, 2)
    note(store, "worker", [Taken(1, at - 50), Taken(2, at + 1.5)], "a")
    note(store, "lambda", [Taken(2, at + 3)], "b")
    note(store, "lambda", [Taken(1, at - 60)], "c")
    heard = [record["heard_at"] for name, record in store.shelf(Shelf.SEEN).items() if name == "c"]
    found = seen(store, 2, time.time())
    assert found == Seen(2, at, 2, found.last_after, 1, heard[0])
    assert found.last_after == pytest.approx(3.0)
    first = seen(store, 1, time.time())
    assert (first.answered, first.unheard, first.unheard_since) == (3, 0, None)
    assert first.last_after == pytest.approx(at + 3 - committed_at(store, 1))
    for absent in (0, -1, 3):
        with pytest.raises(NotFound):
            seen(store, absent, time.time())


def test_an_evaluator_that_says_nothing_is_forgotten_whatever_the_store_still_holds(store: Store) -> None:
    note(store, "worker", [Taken(1, time.time())], "a")
    assert seen(store, 1, time.time()).answered == 1
    assert seen(store, 1, time.time() + REMEMBERED_SECONDS + 1)[2:] == (0, None, 0, None)


def test_what_does_not_parse_is_passed_over_and_clocks_may_differ(store: Store) -> None:
    at = committed_at(store, 1)
    for number, value in enumerate(({}, {"taken": "x", "heard_at": 1, "until": 9e9}, {"taken": [], "until": 9e9})):
        store.keep([Put(Shelf.SEEN, f"odd-{number}", value, blind=True)])
    note(store, "worker", [Taken(1, at - 5)], "fast")
    assert seen(store, 1, time.time())[2:4] == (1, 0.0)


def test_an_evaluator_whose_clock_was_ahead_is_forgotten_too(store: Store) -> None:
    at = committed_at(store, 1)
    later = at + 365 * 86_400
    value = {"kind": "worker", "taken": [[0, later]], "heard_at": later, "until": later + REMEMBERED_SECONDS}
    store.keep([Put(Shelf.SEEN, "ahead", value, blind=True)])
    assert seen(store, 1, at).unheard == 0
    assert seen(store, 1, later).unheard == 1


def test_a_wait_is_no_longer_if_the_clock_is_put_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    kill(store)
    slept = [0.0]
    start = time.time()
    monkeypatch.setattr(time, "time", lambda: start - 3_600.0 * (len(slept) > 2))
    wait(store, 2, 8.0, clock=lambda: sum(slept), sleep=slept.append)
    assert sum(slept) == pytest.approx(8.0)


def test_a_wait_ends_when_those_known_have_answered_or_its_time_is_over(store: Store) -> None:
    kill(store)
    note(store, "worker", [Taken(1, time.time())], "a")
    slept = [0.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 4:
            note(store, "worker", [Taken(2, time.time())], "a")

    found = wait(store, 2, 8.0, clock=lambda: sum(slept), sleep=sleep)
    assert (found.answered, found.unheard, len(slept)) == (1, 0, 4)
    note(store, "worker", [Taken(1, time.time())], "b")
    found = wait(store, 2, 8.0, clock=lambda: sum(slept), sleep=slept.append)
    assert (found.answered, found.unheard) == (1, 1)
    assert sum(slept[4:]) == pytest.approx(8.0)
    assert not settled(found)
    assert not settled(Seen(1, None, 0, None, 0, None)), "nobody known is not everybody"


def test_it_is_said_in_one_line_and_never_of_all() -> None:
    assert worded(Seen(7, NOW, 12, 3.14, 3, NOW)) == (
        "answered by 12 evaluators, the last after 3.1 s; 3 not heard since 2033-05-18T03:33:20Z"
    )
    assert worded(Seen(7, None, 2, None, 0, None)) == "answered by 2 evaluators"
    assert worded(Seen(7, NOW, 0, None, 0, None)) == "answered by no evaluator yet"


class Recorded:
    """A serving over a store with a clock of its own, and what it notes."""

    def __init__(self, store: Store) -> None:
        self.now = 0.0
        self.serving = Serving(store, refresh_seconds=10, clock=lambda: self.now, evaluator="worker")
        self.noted: list[list[int]] = []
        self.serving.note = lambda taken: self.noted.append([one.revision for one in taken])

    def after(self, seconds: float, noted: int) -> None:
        self.now += seconds
        self.serving.ruleset()
        eventually(lambda: len(self.noted) == noted)


def test_an_evaluator_says_once_what_it_answers_with_and_only_if_it_answers() -> None:
    store = SqliteStore(":memory:", HOME)
    one = Recorded(store)
    one.after(0, 0)  # there is nothing yet
    release(store, FLAGS)
    one.serving.refresh()
    assert not one.noted, "it has taken the revision, and answered nobody"
    one.after(0, 1)
    for _ in range(5):
        one.after(20, 1)
    kill(store)
    one.after(20, 2)
    assert one.noted == [[1], [1, 2]]
    one.after(3_600, 3)
    one.after(20, 3)
    assert one.noted[-1] == [1, 2], "an hour later it says that it still answers"
    for _ in range(30):
        kill(store)
        one.after(20, len(one.noted) + 1)
    assert one.noted[-1] == list(range(13, 33))
    store.close()


def test_a_store_that_fails_costs_no_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(store, "keep", fail)
    note(store, "worker", [Taken(1, 1.0)])
    assert not store.shelf(Shelf.SEEN)


def test_a_kill_waits_for_those_it_knows_and_says_202_otherwise(store: Store) -> None:
    client = service(store)
    admin = bearer(token(store, Kind.ADMIN, Scope.READ, Scope.WRITE))
    body = {"reason": "why"}
    answer = client.post("/flags/beta/kill?wait=0.1", json=body, headers=admin)
    assert (answer.status_code, answer.json()["status"], answer.json()["seen"]["answered"]) == (202, False, 0)
    note(store, "worker", [Taken(99, time.time())], "a")  # answers with whatever comes
    answer = client.post("/flags/beta/kill?wait=8", json=body, headers=admin)
    assert (answer.status_code, answer.json()["seen"]["answered"]) == (200, 1)
    assert answer.headers["etag"] == client.get("/flags/beta", headers=admin).headers["etag"]
    note(store, "worker", [Taken(1, time.time())], "b")
    answer = client.post("/flags/beta/kill?wait=0.3", json=body, headers=admin)
    found = answer.json()["seen"]
    assert (answer.status_code, found["answered"], found["unheard"]) == (202, 1, 1)
    assert client.get(f"/revisions/{found['revision']}", headers=admin).json()["answered"] == 1
    assert client.get("/revisions/99", headers=admin).status_code == 404
    assert client.post("/flags/beta/kill?wait=9", json=body, headers=admin).status_code == 422
    assert "seen" not in client.post("/flags/beta/kill", json=body, headers=admin).json()
    browser = bearer(token(store, Kind.CLIENT))
    assert client.get("/revisions/1", headers=browser).status_code == 403


@pytest.fixture
def burgee(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Burgee:
    monkeypatch.chdir(tmp_path)
    return Burgee(tmp_path, monkeypatch, capsys)


def test_status_waits_and_says_it(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags: {beta: {status: on}}\n")
    assert burgee("status", "--wait", "1s", "--state", "db").code == 1, "there is no revision yet"
    assert burgee("apply", "--state", "db").code == 0
    ran = burgee("status", "--wait", "1s", "--state", "db")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "revision 1: answered by no evaluator yet")
    store = SqliteStore("db")
    note(store, "worker", [Taken(1, committed_at(store, 1) + 3.14)], "a")
    store.close()
    ran = burgee("status", "--wait", "9s", "--state", "db")
    assert ran.out.splitlines()[0] == "revision 1: answered by 1 evaluator, the last after 3.1 s"
    assert burgee("status", "--wait", "9s", "--state", "db", "--json").json["seen"]["answered"] == 1


class Log:
    """When each evaluator answered with the flag as it was, and with the kill."""

    def __init__(self) -> None:
        self.old: dict[str, float] = {}
        self.new: dict[str, float] = {}

    def asked(self, name: str, ask: Callable[[], bool]) -> None:
        before = time.time()
        if ask():
            self.old[name] = max(before, self.old.get(name, 0.0))
        else:
            self.new.setdefault(name, time.time())


def _process_of(connection: http.client.HTTPConnection, server: int) -> str:
    """The child of a server that accepted a connection, by Linux's own tables."""
    port = connection.sock.getsockname()[1]
    children = Path(f"/proc/{server}/task/{server}/children").read_text(encoding="ascii").split()

    def look() -> str:
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if int(fields[2].partition(":")[2], 16) == port and fields[9] != "0":
                for child in children:
                    if f"socket:[{fields[9]}]" in map(_target, Path(f"/proc/{child}/fd").iterdir()):
                        return child
        return ""

    return eventually(look)


def _target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except OSError:  # closed in the meantime
        return ""


@pytest.mark.sam
@pytest.mark.skipif(emulator() is None, reason="AWS's emulator runs on Linux")
def test_eight_workers_and_three_functions_are_counted_as_a_log_of_their_answers_says(
    burgee: Burgee, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    url, table = wire_url(), f"seen-{os.getpid()}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    burgee.write("version: 1\nflags: {beta: {status: on}}\n")
    table_at(url, table).close()
    assert burgee("apply", "--table", table).code == 0
    environment = {"BURGEE_TABLE": table, "BURGEE_ACCESS": "open", "BURGEE_REFRESH_SECONDS": "1"}
    log = Log()
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path, "--table", table, "--workers", "8"))
        functions = {
            f"function {number}": stack.enter_context(
                function("burgee.handlers.evaluate.handler", FUNCTIONS, tmp_path / f"log{number}", environment)
            )
            for number in range(3)
        }
        where = urlsplit(server.url).netloc
        silent: set[str] = set()

        def ask_a_worker(_number: int) -> None:
            """Whichever accepts the connection."""
            with closing(http.client.HTTPConnection(where, timeout=60)) as connection:
                connection.connect()
                name = _process_of(connection, server.process.pid)
                if name not in silent:
                    log.asked(name, lambda: _enabled(connection))

        def ask_everything() -> bool:
            for name, running in functions.items():
                if name not in silent:
                    log.asked(name, partial(_function_enabled, running))
            with ThreadPoolExecutor(16) as pool:
                list(pool.map(ask_a_worker, range(32)))
            return False

        eventually(lambda: ask_everything() or len(log.old) == 11, lambda: str(log.old))
        ran = burgee("status", "--wait", "20s", "--table", table, "--json")
        assert (ran.json["seen"]["answered"], ran.json["seen"]["unheard"]) == (11, 0)
        # Two functions and half of the workers are asked on; nobody asks the others.
        silent |= {"function 2", *sorted(set(log.old) - set(functions))[:4]}
        assert burgee("kill", "beta", "--reason", "why", "--table", table).code == 0
        killed_at = time.time()
        eventually(lambda: ask_everything() or len(log.new) == 11 - len(silent), lambda: str(log.new))
        found = burgee("status", "--wait", "5s", "--table", table, "--json").json["seen"]
    assert (found["answered"], found["unheard"]) == (len(log.new), len(silent))
    last = killed_at + found["last_after_seconds"]
    assert max(log.old[name] for name in log.new) - 1 < last < max(log.new.values()) + 1
    print(found)


def _function_enabled(running: Function) -> bool:
    return bool(json.loads(running(event("http-api-user-flags"))["body"])["flags"][0]["enabled"])


def _enabled(connection: http.client.HTTPConnection) -> bool:
    connection.request("GET", "/users/ada/flags")
    return bool(json.load(connection.getresponse())["flags"][0]["enabled"])


def test_a_forked_process_is_another_evaluator(monkeypatch: pytest.MonkeyPatch) -> None:
    before = own_name()
    monkeypatch.setattr(os, "getpid", lambda: 7)
    assert own_name() != before
