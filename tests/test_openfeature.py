"""The in-process provider, through the OpenFeature SDK and beside the stock provider that asks over HTTP."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from openfeature import api
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagEvaluationOptions
from openfeature.hook import Hook
from openfeature.track import TrackingEventDetails
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.semconv._incubating.attributes import feature_flag_attributes

from burgee.events.records import RecordScope
from burgee.events.sinks import MemorySink
from burgee.events.usage import UsageCounter
from burgee.events.usage_records import counts_of
from burgee.flagfile.compile import compile_file
from burgee.openfeature import BurgeeProvider, EvaluationEvents, Tracked
from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from support.http import served
from support.provider import ADA, FILE, client_of

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
