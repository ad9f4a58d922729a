"""Systems that answer all flags for a context: a ruleset of ours, a service of OFREP, and Unleash's frontend API."""

from __future__ import annotations

import json
import time
from collections import deque
from concurrent.futures import Future
from http.client import HTTPException, IncompleteRead
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.error import HTTPError
from urllib.request import Request

from burgee.errors import StoreUnavailable
from burgee.evaluation.context import TARGETING_KEY
from burgee.http_client import public, send, service_address
from burgee.numeric import parse_json
from burgee.shadow.answers import OFF, ON, answer_of, bounded, evaluated, failed, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from http.client import HTTPResponse

    from burgee.evaluation.ruleset import Ruleset
    from burgee.model import Context
    from burgee.shadow.answers import Say

MAX_BYTES = 32 * 1024 * 1024
TIMEOUT_SECONDS = 10.0
"""For a connection and for each wait; a whole answer may take twice that."""
TOGETHER = 8
"""Requests that a service is asked at once."""
TRIES = 3
PATIENT_TRIES = 10
"""While a service says that it is asked too often (429)."""
PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
"""That a service may ask for with Retry-After."""


class Unanswered(Exception):  # noqa: N818 - named after the state
    """A service gave no answer for a context; the text names the fault, without anything of the context."""


_TOO_OFTEN = "status 429"
_Answer: TypeAlias = "Future[Mapping[str, str] | Unanswered]"


class ShadowSource(Protocol):
    """A system that answers."""

    name: str
    silence: str | None
    """What it means by not answering a flag; None if it does not know the flag then."""

    def answers(self, contexts: Sequence[Context]) -> Iterable[Mapping[str, str] | Unanswered]:
        """The answers of each context, by flag, as `burgee.shadow.answers` writes them."""


class RulesetSource:
    """A ruleset of ours at one time, in epoch seconds; None is the time at which each context is asked."""

    silence: str | None = None

    def __init__(self, name: str, ruleset: Ruleset, now: float | None, say: Say = answer_of) -> None:
        self.name = name
        self._say = say
        self._ruleset = ruleset
        self._now = now

    def answers(self, contexts: Sequence[Context]) -> Iterator[Mapping[str, str]]:
        """Evaluates every flag."""
        for context in contexts:
            every = self._ruleset.evaluate_all(context, self._now)
            yield {name: evaluated(one, self._say) for name, one in every.items()}


class HttpService:
    """A service that is asked over HTTP, several contexts at once. `read` makes answers of a reply's JSON."""

    def __init__(
        self,
        url: str,
        request: Callable[[Context], Request],
        read: Callable[[Any], dict[str, str]],
        silence: str | None = None,
    ) -> None:
        self.name = public(url)
        self.silence = silence
        self._request = request
        self._read = read
        self._asked: SimpleQueue[tuple[_Answer, Context]] = SimpleQueue()
        self._threads: list[Thread] = []

    def answers(self, contexts: Sequence[Context]) -> Iterator[Mapping[str, str] | Unanswered]:
        """Asks the service, on threads that do not keep a process that wants to end."""
        while len(self._threads) < TOGETHER:
            self._threads.append(Thread(target=self._work, name="burgee-shadow", daemon=True))
            self._threads[-1].start()
        waiting: deque[_Answer] = deque()
        try:
            for context in contexts:
                waiting.append(Future())
                self._asked.put((waiting[-1], context))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()

    def _work(self) -> None:
        while True:
            answer, context = self._asked.get()
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(self._answer(context))
                except Exception as error:  # noqa: BLE001 - raised where the answer is waited for
                    answer.set_exception(error)

    def _answer(self, context: Context) -> Mapping[str, str] | Unanswered:
        try:
            request = self._request(context)
        except (ValueError, RecursionError):
            return Unanswered("a context that cannot be sent")
        fault, pause, tries = "", 0.0, 0
        while tries < (PATIENT_TRIES if fault == _TOO_OFTEN else TRIES):
            time.sleep(pause)
            tries += 1
            pause = PAUSE_SECONDS * tries
            try:
                with send(request, TIMEOUT_SECONDS) as reply:
                    data = _body_of(reply)
            except HTTPError as error:
                with error:
                    if error.code in {401, 403}:
                        raise StoreUnavailable(
                            f"{self.name} answered {error.code}: the key is missing or wrong"
                        ) from None
                    fault = f"status {error.code}"
                    if error.code < 500 and fault != _TOO_OFTEN:
                        return Unanswered(fault)
                    pause = max(pause, _retry_after(error))
            except (OSError, HTTPException) as error:
                fault = type(getattr(error, "reason", error)).__name__
            else:
                try:
                    return self._read(parse_json(data)) if len(data) <= MAX_BYTES else Unanswered("too long")
                except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                    return Unanswered("not an answer of this protocol")
        return Unanswered(fault)


def _body_of(reply: HTTPResponse) -> bytes:
    """At most a byte more than is allowed. Raises TimeoutError for a body that does not end in time."""
    end, parts, size = time.monotonic() + TIMEOUT_SECONDS, [], 0
    while size <= MAX_BYTES and (part := reply.read1(MAX_BYTES + 1 - size)):
        parts.append(part)
        size += len(part)
        if time.monotonic() > end:
            raise TimeoutError
    if reply.length and size <= MAX_BYTES:
        raise IncompleteRead(b"", reply.length)
    return b"".join(parts)


def _retry_after(error: HTTPError) -> float:
    """The seconds that a service asks to wait, within reason; 0 if it does not say so in seconds."""
    asked = error.headers.get("Retry-After", "")
    return min(float(asked), LONGEST_PAUSE_SECONDS) if asked.isascii() and asked.isdigit() else 0.0


def ofrep(url: str, key: str | None, say: Say = answer_of) -> HttpService:
    """A service of the OpenFeature Remote Evaluation Protocol: flagd, GO Feature Flag, Flipt, Burgee and others."""
    address = service_address(url, "/ofrep/v1/evaluate/flags")
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}

    def request(context: Context) -> Request:
        return Request(address, _body({"context": dict(context)}), headers)  # noqa: S310 - checked by service_address

    def read(body: Any) -> dict[str, str]:
        return {bounded(str(flag["key"])): _ofrep_answer(flag, say) for flag in body["flags"]}

    return HttpService(url, request, read)


def _ofrep_answer(flag: Mapping[str, Any], say: Say) -> str:
    return failed(str(flag["errorCode"])) if "errorCode" in flag else say(flag.get("value"), flag.get("variant"))


_UNLEASH_FIELDS = {TARGETING_KEY: "userId", "userId": "userId"}
_UNLEASH_OWN = ("sessionId", "remoteAddress", "appName", "environment", "currentTime")


def unleash(url: str, key: str | None) -> HttpService:
    """Unleash's frontend API (`POST /api/frontend`, or Edge's), which names only enabled features.

    The answer of an enabled feature is the value of its variant, or its variant's name if that has no payload.
    """
    address = service_address(url, "/api/frontend")
    headers = {"Content-Type": "application/json", **({"Authorization": key} if key else {})}

    def request(context: Context) -> Request:
        own: dict[str, Any] = {"properties": {}}
        for name, value in context.items():
            field = _UNLEASH_FIELDS.get(name, name)
            if field == "userId" or field in _UNLEASH_OWN:
                own[field] = str(value)
            else:
                own["properties"][field] = _unleash_text(value)
        return Request(address, _body({"context": own}), headers)  # noqa: S310 - checked by service_address

    return HttpService(url, request, _unleash_answers, OFF)


def _unleash_text(value: Any) -> str:
    return text_of(value) if isinstance(value, (bool, dict, list)) else str(value)


def _unleash_answers(body: Any) -> dict[str, str]:
    return {bounded(str(one["name"])): _unleash_answer(one) for one in body["toggles"] if one["enabled"]}


def _unleash_answer(toggle: Mapping[str, Any]) -> str:
    variant = toggle.get("variant") or {}
    if not variant.get("enabled"):
        return ON
    payload = variant.get("payload")
    if not payload:
        return text_of(variant["name"])
    value = payload["value"]
    return text_of(parse_json(value.encode()) if payload["type"] in {"json", "number"} else value)


def _body(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
