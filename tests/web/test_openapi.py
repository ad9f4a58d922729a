"""The service against its own OpenAPI document: schemathesis with all its checks."""

from __future__ import annotations

import os
from collections import Counter
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope
from burgee.events.sinks import MemorySink
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.asgi import ask
from support.keys import ALL, HOME, bearer, release, token
from support.schemas import check_operations, schemathesis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case

STORE = SqliteStore(":memory:", HOME)
# 400 says that a name is taken, as in the first version; 422 also what a schema cannot say, such as a time's order.
# 409 and 412: nobody killed it, or it is no longer what a random If-Match says.
ACCEPTED = {"expected-statuses": ["2xx", "304", "400", "404", "409", "412", "422"]}
JUDGED = {"expected-statuses": ["200", "4xx"]}
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {"positive_data_acceptance": ACCEPTED},
        # Every call carries the key below; what else may stand in its place is the matrix's affair.
        "generation": {"with-security-parameters": False},
        # Each record is judged alone: a batch with a bad one is taken, and the answer names it.
        "operations": [{"include-path": "/v1/events", "checks": {"negative_data_rejection": JUDGED}}],
    }
)
# Many more before a release: BURGEE_EXAMPLES=500 pytest -s tests/web/test_openapi.py
EXAMPLES = int(os.environ.get("BURGEE_EXAMPLES", "5"))


class NoReports:
    """A service with an analysis, and no experiment."""

    project, environment = HOME.project, HOME.environment

    def every(self) -> list[dict[str, Any]]:
        return []

    def one(self, _flag: str) -> None:
        return None

    def evidence(self, _report: object) -> str:
        return ""


KEY = bearer(token(STORE, Kind.ADMIN, *ALL))
FLAGS: dict[str, Any] = {"beta": {"status": True, "rollout_percentage": 50}}
release(STORE, FLAGS)
SEEN: Counter[int] = Counter()
RECORDER = Recorder(MemorySink(), RecordScope(HOME.project, HOME.environment))
SETUP = Setup(KeyRing(STORE), limits=None, watch=lambda seen: SEEN.update([seen.status]), recorder=RECORDER)
APP = create_app(STORE, Serving(STORE, refresh_seconds=0), SETUP, NoReports())
NUMBERS = count()
DOCUMENT: dict[str, Any] = ask(APP, "/openapi.json").json()


def aim(case: Case[Any]) -> None:
    """Lets most requests do something: they have a reason, new idempotency keys, and half name what is there."""
    case.headers.setdefault("X-Burgee-Reason", "test")
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= 255:
        case.headers["Idempotency-Key"] = f"{key[:245]}-{next(NUMBERS)}"
    if case.meta is not None and case.meta.generation.mode.is_positive:
        for name, there in (("flag_name", "beta"), ("key", "beta"), ("version", 1)):
            if len(str(case.path_parameters.get(name, ""))) % 2:
                case.path_parameters[name] = there


@pytest.fixture(scope="session", autouse=True)
def _close() -> Iterator[None]:
    """At the end of all tests: a worker may come back to this module after others, with what others have left."""
    yield
    STORE.close()
    print(f"\n{SEEN.total():,} requests: {dict(sorted(SEEN.items()))}")
    assert max(SEEN) < 500


def documented(case: Case[Any]) -> None:
    """An answer is as the document has it."""
    aim(case)
    case.call_and_validate(headers=KEY)


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_every_answer_is_documented(path: str) -> None:
    check_operations({**DOCUMENT, "paths": {path: DOCUMENT["paths"][path]}}, APP, CONFIG, documented, EXAMPLES)
