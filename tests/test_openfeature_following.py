"""How the in-process provider follows a file, a bundle, a store or a service, and what it answers meanwhile."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.provider import ProviderStatus
from starlette.responses import Response

from burgee.errors import StoreUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.openfeature import BurgeeProvider, Refresh
from burgee.releases.deploy import apply
from burgee.serving.bundle import Bundle, dump_bundle
from burgee.serving.seen import own_name
from burgee.serving.serving import Served, Serving
from burgee.stores import Origin, Shelf
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.event_streams import EventStreams, stream_secret
from burgee.web.front import Setup
from support.http import served
from support.provider import ADA, FILE, client_of
from support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "flags.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _sdk() -> Iterator[None]:
    yield
    api.clear_providers()
    api.clear_hooks()


def test_a_file_is_followed_in_the_background(path: Path) -> None:
    client = client_of(BurgeeProvider.from_file(path, refresh_seconds=0.03))
    reported: list[tuple[ProviderEvent, list[str] | None]] = []
    for event in (ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ProviderEvent.PROVIDER_STALE):
        client.add_handler(
            event, partial(lambda event, details: reported.append((event, details.flags_changed)), event)
        )
    path.write_text(FILE.replace("{v: hello}", "{v: bye}"), encoding="utf-8")
    eventually(lambda: client.get_string_value("text", "") == "bye")
    eventually(lambda: reported == [(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ["text"])])
    path.write_text("version: 1\nflags: {a: {", encoding="utf-8")
    eventually(lambda: client.get_provider_status() is ProviderStatus.STALE)
    assert client.get_string_value("text", "") == "bye"
    path.write_text(FILE.replace('"@x.com"', '"@y.com"'), encoding="utf-8")
    eventually(lambda: client.get_provider_status() is ProviderStatus.READY)
    eventually(lambda: len(reported) == 3)
    assert reported[2][1] is not None
    assert "whole" in reported[2][1], "a segment changed, and any flag may use it"


@pytest.mark.parametrize("fails", [False, True])
def test_one_that_listens_polls_less_unless_its_last_poll_failed(fails: bool) -> None:
    waits: list[float] = []
    stop = Event()

    class Source:
        def poll(self) -> Served | None:
            if fails:
                raise StoreUnavailable("no")
            return None

    class Wake(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            if len(waits) == 3:
                stop.set()
            return True

    provider = BurgeeProvider(Serving(source=Source()), refresh_seconds=10)
    listening: Any = SimpleNamespace(connected=True)
    provider._live, provider._wake = listening, Wake()
    provider._follow(stop)
    often = [wait < 13 for wait in waits]
    assert often == ([False, True, True] if fails else [False] * 3)


def test_a_shutdown_while_it_reads_leaves_no_thread(path: Path) -> None:
    released = Event()

    class Slow:
        def poll(self) -> Served:
            assert released.wait(PATIENCE)
            return Served(Ruleset(compile_file(path)), 0, "file")

    provider = BurgeeProvider(Serving(source=Slow()), refresh_seconds=0.01)
    reading = Thread(target=provider.initialize, args=(EvaluationContext(),))
    reading.start()
    provider.shutdown()
    released.set()
    reading.join(PATIENCE)
    eventually(lambda: provider._thread is not None and not provider._thread.is_alive())


def test_where_threads_freeze_the_caller_looks(path: Path) -> None:
    provider = BurgeeProvider.from_file(path, refresh=Refresh.INVOCATION, refresh_seconds=0)
    client = client_of(provider)
    assert provider._thread is None
    path.write_text(FILE.replace("{v: hello}", "{v: bye}"), encoding="utf-8")
    assert client.get_string_value("text", "") == "bye"


def test_a_fork_goes_on_following(path: Path) -> None:
    """A server that loads the application before it forks, as gunicorn does with `preload`."""
    code = """if True:
        import os, pathlib, signal, sys
        from openfeature import api
        from burgee.openfeature import BurgeeProvider
        path = pathlib.Path(sys.argv[1])
        api.set_provider_and_wait(BurgeeProvider.from_file(path, refresh_seconds=0.01))
        child = os.fork()
        if child == 0:
            path.write_text(path.read_text().replace('{v: hello}', '{v: goodbye}'))
            signal.alarm(60)
            while api.get_client().get_string_value('text', '') != 'goodbye':
                pass
            os._exit(0)
        sys.exit(os.waitpid(child, 0)[1])
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code, str(path)], check=True, timeout=PATIENCE)


def test_a_bundled_release_is_a_file_too(path: Path) -> None:
    bundle = path.with_name("release.json")
    bundle.write_bytes(dump_bundle(Bundle(compile_file(path), Origin(commit="abc123"))))
    details = client_of(BurgeeProvider.from_file(bundle)).get_boolean_details("flag", False)
    assert (details.value, details.flag_metadata["commit"]) == (True, "abc123")


def test_an_override_reaches_who_evaluates_from_a_store(path: Path) -> None:
    store = SqliteStore(path.with_name("burgee.db"))
    apply(store, compile_file(path), Origin(), AuditContext("release.activate", "ci", "", 1_795_000_000.0))
    client = client_of(BurgeeProvider.from_store(store, refresh=Refresh.INVOCATION, refresh_seconds=0))
    assert client.get_boolean_value("flag", False) is True
    changed = {"flag": {**compile_file(path)["flags"]["flag"], "status": False}}
    snapshot = {**compile_file(path), "flags": {**compile_file(path)["flags"], **changed}}
    apply(store, snapshot, Origin(), AuditContext("release.activate", "ci", "", 1_795_000_001.0))
    assert client.get_boolean_value("flag", True) is False
    store.close()


def test_on_invocation_a_store_that_hangs_delays_no_answer_until_it_goes_on(path: Path) -> None:
    store = SqliteStore(":memory:")
    apply(store, compile_file(path), Origin(), AuditContext("release.activate", "ci", "", 1_795_000_000.0))
    client = client_of(BurgeeProvider.from_store(store, refresh=Refresh.INVOCATION, refresh_seconds=0))
    go_on, gone_on = Event(), Event()
    pointer = store.pointer

    def hangs() -> Any:
        go_on.wait(60)
        gone_on.set()
        return pointer()

    store.pointer = hangs  # type: ignore[method-assign]
    assert client.get_boolean_value("flag", False) is True
    assert not gone_on.is_set()
    go_on.set()
    assert gone_on.wait(60)
    store.pointer = pointer  # type: ignore[method-assign]
    assert client.get_boolean_value("flag", False) is True
    store.close()


@pytest.mark.parametrize(
    ("status", "raised"), [(401, ProviderFatalError), (403, ProviderFatalError), (500, GeneralError)]
)
def test_a_service_that_refuses_is_distinguished_from_one_that_fails(status: int, raised: type[Exception]) -> None:
    with served(Response(b"", status)) as url:
        with pytest.raises(raised):
            api.set_provider_and_wait(BurgeeProvider.from_url(url))
        client = api.get_client()
        code = ErrorCode.PROVIDER_FATAL if raised is ProviderFatalError else ErrorCode.PROVIDER_NOT_READY
        assert client.get_boolean_details("flag", True).error_code is code


def test_a_file_that_comes_late_is_served_when_it_comes(path: Path) -> None:
    late = path.with_name("late.yaml")
    with pytest.raises(GeneralError, match=r"late\.yaml"):
        api.set_provider_and_wait(BurgeeProvider.from_file(late, refresh_seconds=0.03))
    client = api.get_client()
    assert client.get_provider_status() is ProviderStatus.ERROR
    late.write_text(FILE, encoding="utf-8")
    eventually(lambda: client.get_provider_status() is ProviderStatus.READY)
    assert client.get_boolean_value("flag", False) is True


def test_a_snapshot_stands_in_until_the_service_answers(path: Path) -> None:
    provider = BurgeeProvider.from_url("http://127.0.0.1:9", bundled=compile_file(path), refresh_seconds=0.3)
    client = client_of(provider)
    assert client.get_string_value("text", "") == "hello"
    eventually(lambda: client.get_provider_status() is ProviderStatus.STALE)


def test_a_service_with_websockets_tells_it_when_to_poll_and_knows_what_it_evaluates_with(path: Path) -> None:
    store = SqliteStore(path.parent / "db")
    apply(store, compile_file(path), Origin(), AuditContext("release.activate", "ci", "", time.time()))
    serving = Serving(store, refresh_seconds=0.1, evaluator="worker")
    app = create_app(store, serving, Setup(streams=stream_secret(store)))
    streams = app.front.streams
    assert isinstance(streams, EventStreams)

    def known() -> list[int]:
        record = store.shelf(Shelf.SEEN).get(own_name(), {"taken": []})
        return [revision for revision, _ in record["taken"]] if record.get("kind") == "provider" else []

    with served(app) as url:
        provider = BurgeeProvider.from_url(url, refresh_seconds=3_600)
        client = client_of(provider)
        assert client.get_boolean_value("flag", False, ADA)
        eventually(lambda: known() == [1])
        eventually(lambda: streams.count == 1)
        act = AuditContext("release.activate", "ci", "", time.time())
        apply(store, compile_file(path, "production"), Origin(), act)
        eventually(lambda: not client.get_boolean_value("flag", True, ADA))
        eventually(lambda: known() == [1, 2])
        api.shutdown()
        eventually(lambda: streams.count == 0)
    store.close()
