"""An OpenFeature provider that evaluates in its own process: the service's engine and answers, without its latency.

It needs the extra `openfeature`, which installs the SDK.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from random import Random
from threading import Event, Lock, Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypedDict, Unpack

from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode, GeneralError, ProviderFatalError
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.hook import Hook
from openfeature.provider import AbstractProvider, Metadata

from burgee.errors import Denied
from burgee.events.records import RecordScope
from burgee.events.usage import Counted
from burgee.numeric import is_number
from burgee.serving.file_source import FileSource
from burgee.serving.http_source import HttpSource
from burgee.serving.live_client import LiveClient
from burgee.serving.serving import PATIENCE_SECONDS, Serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagEvaluationDetails
    from openfeature.hook import HookContext
    from openfeature.track import TrackingEventDetails

    from burgee.evaluation.ruleset import Ruleset
    from burgee.events.recorder import Recorder
    from burgee.events.usage import UsageCounter
    from burgee.model import Context, Evaluation, Snapshot
    from burgee.stores import Store


DRAIN_SECONDS = 5.0
LISTENING = 6
"""Polls are so many times rarer while a WebSocket says when to poll."""


class Refresh(StrEnum):
    """How the source is polled: by a thread or, on platforms that freeze threads, by the caller that finds a poll
    due.
    """

    BACKGROUND = "background"
    INVOCATION = "invocation"


@dataclass(frozen=True, slots=True)
class Tracked:
    """A tracked event of a user, as given to `client.track`; `at` in epoch seconds."""

    name: str
    at: float
    targeting_key: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    value: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Sink(Protocol):
    """The destination of tracked events. The application waits for it, so it must neither block nor raise."""

    def record(self, event: Tracked) -> None:
        """Takes one event."""


class Options(TypedDict, total=False):
    """The options that every constructor takes."""

    refresh: Refresh
    refresh_seconds: float
    hooks: Sequence[Hook]
    sink: Sink | None
    recorder: Recorder | None
    usage: UsageCounter | None


class _Application:
    """The asker in its own process: it has no API key here."""

    key = name = None
    client = False
    tenant = RecordScope()


class BurgeeProvider(AbstractProvider):
    """Evaluates from a file, a store or a service; keeps the last good flags if the source fails."""

    def __init__(self, serving: Serving, **options: Unpack[Options]) -> None:
        super().__init__()
        self._serving = serving
        self._refresh = options.get("refresh", Refresh.BACKGROUND)
        self._period = options.get("refresh_seconds", 10.0)
        self._hooks = list(options.get("hooks", ()))
        self._sink = options.get("sink")
        self._recorder = options.get("recorder")
        self._usage = options.get("usage")
        self._live: LiveClient | None = None
        self._wake = Event()
        self._chance = Random()  # noqa: S311 - it only spreads load
        self._stop = Event()
        self._thread: Thread | None = None
        self._noticing = Lock()
        self._seen = serving.served().ruleset
        self._failing = False

    @classmethod
    def from_file(
        cls, path: str | PathLike[str], environment: str | None = None, **options: Unpack[Options]
    ) -> BurgeeProvider:
        """Creates a provider from a flags.yaml in one environment, or from the release.json that `burgee bundle`
        wrote.
        """
        options.setdefault("refresh_seconds", 1.0)
        source = FileSource(Path(path), environment)
        return cls(Serving(source=source, refresh_seconds=options["refresh_seconds"]), **options)

    @classmethod
    def from_store(
        cls, store: Store, *, bundled: Snapshot | None = None, **options: Unpack[Options]
    ) -> BurgeeProvider:
        """Creates a provider from a store, which the caller closes; `bundled` is served until the store answers."""
        every = options.get("refresh_seconds", 10.0)
        return cls(
            Serving(store, bundled, refresh_seconds=every, patience=PATIENCE_SECONDS, evaluator="provider"), **options
        )

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        key: str | None = None,
        bundled: Snapshot | None = None,
        live_url: str | None = None,
        **options: Unpack[Options],
    ) -> BurgeeProvider:
        """Creates a provider from a service's `GET /ruleset`, with a server key if the service requires one.

        It also listens to the service's WebSocket, at `live_url` if that is elsewhere, and polls less while it does.
        """
        every, source = options.get("refresh_seconds", 10.0), HttpSource(url, key=key)
        serving = Serving(bundled=bundled, source=source, refresh_seconds=every, patience=PATIENCE_SECONDS)
        serving.note = source.confirm
        provider = cls(serving, **options)
        if provider._refresh is Refresh.BACKGROUND:  # a frozen thread does not poll

            def moved(position: str) -> None:
                source.notified = position or source.notified
                provider._wake.set()

            provider._live = LiveClient(live_url or url, key, moved)
        return provider

    def get_metadata(self) -> Metadata:
        """Its name."""
        return Metadata(name="Burgee")

    def get_provider_hooks(self) -> list[Hook]:
        """The hooks of this provider."""
        return self._hooks

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 - the SDK's signature
        """Reads the flags; if there are none to serve, the provider is in error until there are."""
        # Set before reading, so that a shutdown during a slow read takes effect.
        self._stop = stop = Event()
        self._serving.refresh()
        self._serving.answering()
        self._seen = self._serving.served().ruleset
        failure = self._serving.failure()
        unserved = failure is not None and self._serving.status().source == "none"
        if unserved and isinstance(failure, Denied):
            raise ProviderFatalError(str(failure))
        self._failing = unserved
        if self._refresh is Refresh.BACKGROUND:
            self._thread = Thread(target=self._follow, args=(stop,), name="burgee-refresh", daemon=True)
            self._thread.start()
            if self._live is not None:
                self._live.start(stop)
        if unserved:
            raise GeneralError(str(failure))

    def shutdown(self) -> None:
        """Stops polling; the flags stay available, and recorded events are written."""
        self._stop.set()
        self._wake.set()
        if self._live is not None:
            self._live.close()
        if self._recorder is not None:
            self._recorder.drain(DRAIN_SECONDS)
        if self._usage is not None:
            self._usage.flush()
        if self._thread is not None:
            self._thread.join(5)
            self._thread = None

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        """Passes an event to the sink, and records it for experiments if it has a targeting key."""
        if self._sink is None and self._recorder is None:
            return
        key = evaluation_context.targeting_key if evaluation_context else None
        context = evaluation_context.attributes if evaluation_context else {}
        value = tracking_event_details.value if tracking_event_details else None
        attributes = tracking_event_details.attributes if tracking_event_details else {}
        now = time.time()
        if self._sink is not None:
            self._sink.record(Tracked(tracking_event_name, now, key, dict(context), value, dict(attributes)))
        if self._recorder is not None and key:
            given = {**attributes, **({} if value is None else {"value": value})}
            properties = {name: _plain(one) for name, one in given.items()}
            self._recorder.tracked(tracking_event_name, key, now, properties)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """A boolean."""
        return self._resolve(flag_key, default_value, evaluation_context, _boolean)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """A string."""
        return self._resolve(flag_key, default_value, evaluation_context, _string)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """An integer."""
        return self._resolve(flag_key, default_value, evaluation_context, _integer)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Resolves a float; integers are accepted, too."""
        return self._resolve(flag_key, default_value, evaluation_context, _float)

    def resolve_object_details(
        self, flag_key: str, default_value: Any, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[Any]:
        """Resolves an object or a list; the caller gets its own copy."""
        return self._resolve(flag_key, default_value, evaluation_context, _object)

    def _resolve(
        self, flag: str, default: Any, context: EvaluationContext | None, typed: Callable[[Any], Any]
    ) -> FlagResolutionDetails[Any]:
        attributes, now = plain_context(context), time.time()
        ruleset = self._ruleset(attributes, now)
        answer = ruleset.evaluate(flag, attributes, now)
        if self._usage is not None:
            self._count(self._usage, ruleset, flag, answer)
        if self._recorder is not None:
            self._recorder.answered(ruleset, flag, answer, attributes, asked=False)
        if answer.error_code is not None:
            if self._failing and self._serving.status().source == "none":
                return _error(default, ErrorCode.PROVIDER_NOT_READY, str(self._serving.failure()), answer)
            return _error(default, ErrorCode(answer.error_code), answer.error_message or "", answer)
        metadata = MappingProxyType(answer.metadata)
        if answer.value is None:
            return FlagResolutionDetails(default, None, None, Reason(answer.reason), answer.variant, metadata)
        value = typed(answer.value)
        if value is None:
            message = f"{flag!r} is not of type {typed.__name__[1:]}: it is {answer.value!r:.80}"
            return _error(default, ErrorCode.TYPE_MISMATCH, message, answer)
        return FlagResolutionDetails(value, None, None, Reason(answer.reason), answer.variant, metadata)

    def _count(self, usage: UsageCounter, ruleset: Ruleset, flag: str, answer: Evaluation) -> None:
        if answer.error_code is not None:
            usage.error(ruleset, flag, answer.error_code, _APPLICATION)
            return
        place = "counted", flag, id(answer), None
        counted = ruleset.written.get(place)
        if counted is None:
            counted = ruleset.written[place] = Counted(answer)
            usage.begin(counted, ruleset, flag, _APPLICATION)
        next(counted.named)

    def _ruleset(self, context: Context, now: float) -> Ruleset:
        # A forked process has no poller thread: its callers poll.
        if self._thread is not None and self._thread.is_alive():
            return self._serving.served().choose(context, now)
        ruleset = self._serving.ruleset(context, now)
        self._notice()
        return ruleset

    def _follow(self, stop: Event) -> None:
        while not stop.is_set():
            # After a poll that failed it does not rely on being notified again.
            listening = self._live is not None and self._live.connected and self._serving.failure() is None
            self._wake.wait(self._period * self._chance.uniform(0.8, 1.2) * (LISTENING if listening else 1))
            self._wake.clear()
            if not stop.is_set():
                self._serving.poll()
                self._serving.answering()
                self._notice()

    def _notice(self) -> None:
        """Reports to the SDK what a poll found: changed flags, a failing source, or one that works again."""
        current, failure = self._serving.served().ruleset, self._serving.failure()
        if current is self._seen and (failure is not None) is self._failing:
            return
        with self._noticing:
            before, self._seen = self._seen, current
            failed, self._failing = self._failing, failure is not None
        if failure is not None and not failed:
            self.emit_provider_stale(ProviderEventDetails(message=str(failure)))
        if failure is None and failed:
            self.emit_provider_ready(ProviderEventDetails())
        if current is not before:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=changed(before, current)))


class EvaluationEvents(Hook):
    """Emits OpenTelemetry's event `feature_flag.evaluation` for each evaluation, without the user.

    `set_id` names the flags, such as `shop/production`. OpenTelemetry must be installed.
    """

    def __init__(self, set_id: str = "") -> None:
        from opentelemetry import _logs

        self._set_id = set_id
        self._logger = _logs.get_logger("burgee")

    def finally_after(
        self,
        hook_context: HookContext,
        details: FlagEvaluationDetails[Any],
        hints: Mapping[str, Any],  # noqa: ARG002 - the SDK's signature
    ) -> None:
        """Emits the event."""
        from opentelemetry import _logs

        metadata = hook_context.provider_metadata
        found = {
            "feature_flag.key": details.flag_key,
            "feature_flag.result.variant": details.variant or "",
            "feature_flag.result.reason": str(details.reason or "unknown").lower(),
            "feature_flag.provider.name": metadata.name if metadata is not None else "",
            "feature_flag.set.id": self._set_id,
            "feature_flag.version": str(details.flag_metadata.get("version", "")),
            "error.type": str(details.error_code.value).lower() if details.error_code is not None else "",
        }
        attributes = {name: value for name, value in found.items() if value}
        self._logger.emit(_logs.LogRecord(timestamp=time.time_ns(), event_name=EVENT, attributes=attributes))


EVENT = "feature_flag.evaluation"
_APPLICATION = _Application()


def changed(before: Ruleset, after: Ruleset) -> list[str]:
    """The flags with changed definitions; all flags if shared parts changed."""
    shared = ("segments", "holdouts")
    if any(before.snapshot.get(key) != after.snapshot.get(key) for key in shared):
        return sorted({*before.names(), *after.names()})
    names = {*before.names(), *after.names()}
    return sorted(name for name in names if before.definition(name) != after.definition(name))


def plain_context(context: EvaluationContext | None) -> dict[str, Any]:
    """Converts a context of the SDK to one of the engine."""
    if context is None:
        return {}
    plain = {name: _plain(value) for name, value in context.attributes.items()}
    if context.targeting_key:
        plain["targetingKey"] = context.targeting_key
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        try:
            return value.astimezone(UTC).isoformat()
        except OverflowError:  # within a day of the first or last representable date
            return value.replace(tzinfo=UTC).isoformat()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _error(default: Any, code: ErrorCode, message: str, answer: Evaluation) -> FlagResolutionDetails[Any]:
    return FlagResolutionDetails(default, code, message, Reason.ERROR, None, MappingProxyType(answer.metadata))


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _float(value: Any) -> float | None:
    return float(value) if is_number(value) else None


def _object(value: Any) -> Any:
    return deepcopy(value) if isinstance(value, (dict, list)) else None
