"""The in-process provider, through the OpenFeature SDK and beside the stock provider that asks over HTTP."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from threading import Event, Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.flag_evaluation import FlagEvaluationOptions
from openfeature.hook import Hook
from openfeature.provider import ProviderStatus
from openfeature.track import TrackingEventDetails
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.semconv._incubating.attributes import feature_flag_attributes
from starlette.responses import Response

from burgee.errors import StoreUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.events.records import RecordScope
from burgee.events.sinks import MemorySink
from burgee.events.usage import UsageCounter
from burgee.events.usage_records import counts_of
from burgee.flagfile.compile import compile_file
from burgee.openfeature import BurgeeProvider, EvaluationEvents, Refresh, Tracked
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
from support.waiting import PATIENCE, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openfeature.client import OpenFeatureClient

FILE = """\
version: 1
environments: [production]
segments:
  staff: {when: {email: {ends_with: "@x.com"}}}
flags:
  flag: {status: on, owner: team, environments: {production: {status: off}}}
  text: {status: on, variants: {v: hello}, default: {serve: v}}
  whole: {status: on, variants: {v: 5}, default: {serve: v}}
  real: {status: on, variants: {v: 5.0, w: 1}, default: {serve: w}}
  object: {status: on, variants: {v: {a: [1, 2]}}, default: {serve: v}}
  list: {status: on, variants: {v: [1]}, default: {serve: v}}
  nothing: {status: off, variants: {v: 1}, default: {serve: v}}
  half: {status: on, rollout_percentage: 50}
  late: {status: on, rules: [{when: {joined: {after: "2027-01-01T00:00:00Z"}}}], default: {serve: off}}
  ruled:
    status: on
    variants: {free: a, pro: b, staff: c}
    rules:
      - {name: pros, when: {plan: pro}, serve: pro}
      - {name: staff, when: {segment: staff}, split: {free: 1, staff: 2}}
    default: {serve: free}
"""
ADA = EvaluationContext("ada", {"plan": "pro"})


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


def client_of(provider: BurgeeProvider) -> OpenFeatureClient:
    api.set_provider_and_wait(provider)
    return api.get_client()


@pytest.mark.parametrize(
    ("method", "key", "default", "value"),
    [
        ("boolean", "flag", False, True),
        ("string", "text", "", "hello"),
        ("integer", "whole", 0, 5),
        ("float", "real", 0.0, 1.0),
        ("float", "whole", 0.0, 5.0),
        ("object", "object", {}, {"a": [1, 2]}),
        ("object", "list", [], [1]),
    ],
)
def test_every_type(path: Path, method: str, key: str, default: Any, value: Any) -> None:
    client = client_of(BurgeeProvider.from_file(path))
    details = getattr(client, f"get_{method}_details")(key, default, ADA)
    assert (details.value, details.variant is not None, details.error_code) == (value, True, None)
    assert type(details.value) is type(value)
    assert asyncio.run(getattr(client, f"get_{method}_value_async")(key, default, ADA)) == value


@pytest.mark.parametrize(
    ("call", "context", "code"),
    [
        (("boolean", "nope", False), ADA, ErrorCode.FLAG_NOT_FOUND),
        (("boolean", "half", False), EvaluationContext(), ErrorCode.TARGETING_KEY_MISSING),
        (("boolean", "text", False), ADA, ErrorCode.TYPE_MISMATCH),
        (("integer", "flag", 3), ADA, ErrorCode.TYPE_MISMATCH),
        (("float", "flag", 3.0), ADA, ErrorCode.TYPE_MISMATCH),
        (("integer", "real", 3), ADA, ErrorCode.TYPE_MISMATCH),
        (("string", "whole", "x"), ADA, ErrorCode.TYPE_MISMATCH),
        (("object", "text", {"x": 1}), ADA, ErrorCode.TYPE_MISMATCH),
    ],
)
def test_every_error_gives_the_default(
    path: Path, call: tuple[str, str, Any], context: EvaluationContext, code: ErrorCode
) -> None:
    method, key, default = call
    details = getattr(client_of(BurgeeProvider.from_file(path)), f"get_{method}_details")(key, default, context)
    assert (details.value, details.error_code, details.reason) == (default, code, "ERROR")
    assert details.error_message


def test_no_value_means_the_callers_default(path: Path) -> None:
    details = client_of(BurgeeProvider.from_file(path)).get_integer_details("nothing", 42, ADA)
    assert (details.value, details.reason, details.error_code) == (42, "DISABLED", None)


def test_an_environment_is_chosen(path: Path) -> None:
    assert client_of(BurgeeProvider.from_file(path, "production")).get_boolean_value("flag", True) is False


def test_times_in_a_context_are_times(path: Path) -> None:
    client = client_of(BurgeeProvider.from_file(path))
    west = timezone(timedelta(hours=-8))
    for joined, value in (
        (datetime(2026, 6, 1, tzinfo=UTC), False),
        (datetime(2028, 6, 1, tzinfo=UTC), True),
        (datetime.min.replace(tzinfo=timezone(timedelta(hours=8))), False),
        (datetime.max.replace(tzinfo=west), True),
    ):
        context = EvaluationContext("ada", {"joined": joined, "seen": [datetime.now(UTC)]})
        assert client.get_boolean_value("late", not value, context) is value


def test_what_a_caller_does_to_an_answer_stays_with_the_caller(path: Path) -> None:
    client = client_of(BurgeeProvider.from_file(path))
    value: Any = client.get_object_value("object", {})
    value["a"].append("mine")
    assert client.get_object_value("object", {}) == {"a": [1, 2]}
    metadata: Any = client.get_boolean_details("flag", False).flag_metadata
    with pytest.raises(TypeError):
        metadata["version"] = 7


def test_it_answers_as_the_service_does_over_http(path: Path) -> None:
    store = SqliteStore(":memory:")
    apply(
        store,
        compile_file(path),
        Origin(commit="abc123"),
        AuditContext("release.activate", "ci", "", 1_795_000_000.0),
    )
    compared = 0
    with served(create_app(store, Serving(store))) as url:
        providers: dict[str, Any] = {
            "stock": OFREPProvider(url),
            "url": BurgeeProvider.from_url(url),
            "store": BurgeeProvider.from_store(store),
        }
        for name, provider in providers.items():
            api.set_provider_and_wait(provider, name)
        clients = {name: api.get_client(name) for name in providers}
        plans: tuple[dict[str, Any], ...] = ({"plan": "pro"}, {"email": "a@x.com"}, {})
        contexts = [EvaluationContext(f"user-{number}", plans[number % 3]) for number in range(30)]
        calls: dict[str, tuple[Any, ...]] = {
            "boolean": (False, "flag", "half", "late", "nope"),
            "string": ("", "text", "ruled"),
        }
        calls |= {"integer": (0, "whole", "nothing"), "float": (0.0, "real"), "object": ({}, "object", "list")}
        for context in [*contexts, EvaluationContext()]:
            for method, (default, *keys) in calls.items():
                for key in keys:
                    reported = [getattr(c, f"get_{method}_details")(key, default, context) for c in clients.values()]
                    stock = reported[0]
                    for ours in reported[1:]:
                        assert (ours.value, ours.reason, ours.error_code) == (
                            stock.value,
                            stock.reason,
                            stock.error_code,
                        )
                        assert (ours.variant or "") == (stock.variant or "")
                        assert dict(ours.flag_metadata) == dict(stock.flag_metadata)
                        compared += 1
        api.clear_providers()
    store.close()
    assert compared == 2 * 31 * 11


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


def test_hooks_run_in_the_order_of_the_specification(path: Path) -> None:
    ran: list[str] = []

    class Named(Hook):
        def __init__(self, name: str) -> None:
            self.name = name

        def before(self, hook_context: Any, hints: Any) -> EvaluationContext:  # noqa: ARG002 - the SDK's signature
            ran.append(f"before {self.name}")
            return EvaluationContext(attributes={"plan": "pro"})

        def after(self, hook_context: Any, details: Any, hints: Any) -> None:  # noqa: ARG002 - the SDK's signature
            ran.append(f"after {self.name}")

    api.add_hooks([Named("api")])
    client = client_of(BurgeeProvider.from_file(path, hooks=[Named("provider")]))
    client.add_hooks([Named("client")])
    options = FlagEvaluationOptions(hooks=[Named("call")])
    details = client.get_string_details("ruled", "", EvaluationContext("ada"), options)
    assert (details.value, details.flag_metadata["rule"]) == ("b", "pros")
    order = ["api", "client", "call", "provider"]
    assert ran == [f"before {name}" for name in order] + [f"after {name}" for name in reversed(order)]


def test_what_is_tracked_reaches_the_sink(path: Path) -> None:
    class Memory:
        def __init__(self) -> None:
            self.events: list[Tracked] = []

        def record(self, event: Tracked) -> None:
            self.events.append(event)

    sink = Memory()
    client = client_of(BurgeeProvider.from_file(path, sink=sink))
    before = time.time()
    client.track("checkout", ADA, TrackingEventDetails(99.5, {"currency": "EUR"}))
    client.track("seen")
    first, second = sink.events
    assert (first.name, first.targeting_key, first.value) == ("checkout", "ada", 99.5)
    assert (first.context, first.attributes) == ({"plan": "pro"}, {"currency": "EUR"})
    assert (second.targeting_key, second.value) == (None, None)
    assert before <= first.at <= time.time()
    client_of(BurgeeProvider.from_file(path)).track("nobody listens")


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


def test_what_it_answers_is_counted_without_the_user(path: Path) -> None:
    sink = MemorySink()
    usage = UsageCounter(sink, RecordScope("p", "e"), threaded=False)
    provider = BurgeeProvider.from_file(path, usage=usage)
    client = client_of(provider)
    for number in range(20):
        client.get_boolean_value("half", False, EvaluationContext(f"user-{number}"))
    client.get_boolean_value("half", False)
    client.get_boolean_value("text", False, ADA)
    client.get_boolean_value("nope", False, ADA)
    provider.shutdown()
    found = [pair for record in sink.records for pair in counts_of(record)]
    assert sum(number for cell, number in found if cell.flag == "half" and cell.reason == "SPLIT") == 20
    others = {(cell.flag, cell.variant, cell.error): number for cell, number in found if cell.reason != "SPLIT"}
    assert others == {
        ("half", None, "TARGETING_KEY_MISSING"): 1,
        ("text", "v", None): 1,
        ("nope", None, "FLAG_NOT_FOUND"): 1,
    }
    assert "user-" not in str(sink.records)


def test_each_evaluation_is_an_event_in_opentelemetrys_words(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records, logs = InMemoryLogRecordExporter(), LoggerProvider()  # type: ignore[no-untyped-call]
    logs.add_log_record_processor(SimpleLogRecordProcessor(records))
    monkeypatch.setattr("opentelemetry._logs.get_logger", logs.get_logger)
    client = client_of(BurgeeProvider.from_file(path, hooks=[EvaluationEvents("shop/production")]))
    client.get_string_value("ruled", "", ADA)
    client.get_boolean_value("half", False)
    names = feature_flag_attributes
    said, failed = (one.log_record for one in records.get_finished_logs())
    always = {names.FEATURE_FLAG_PROVIDER_NAME: "Burgee", names.FEATURE_FLAG_SET_ID: "shop/production"}
    assert said.event_name == failed.event_name == "feature_flag.evaluation"
    assert dict(said.attributes or {}) == {
        **always,
        names.FEATURE_FLAG_KEY: "ruled",
        names.FEATURE_FLAG_RESULT_VARIANT: "pro",
        names.FEATURE_FLAG_RESULT_REASON: "targeting_match",
        names.FEATURE_FLAG_VERSION: "0",
    }
    assert dict(failed.attributes or {}) == {
        **always,
        names.FEATURE_FLAG_KEY: "half",
        names.FEATURE_FLAG_RESULT_REASON: "error",
        "error.type": "targeting_key_missing",
    }
