"""The service against its own OpenAPI document: schemathesis with all its checks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from burgee.keyring import KeyRing
from burgee.keys import Kind
from burgee.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from support_keys import ALL, HOME, bearer, token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case

STORE = SqliteStore(":memory:", HOME)
# 400 says that a name is taken, as in the first version; 422 also what a schema cannot say, such as a time's order.
# 409 and 412: nobody killed it, or it is no longer what a random If-Match says.
ACCEPTED = {"expected-statuses": ["2xx", "304", "400", "404", "409", "412", "422"]}
CONFIG = schemathesis.Config.from_dict(
    {
        "checks": {"positive_data_acceptance": ACCEPTED},
        # Every call carries the key below; what else may stand in its place is the matrix's affair.
        "generation": {"with-security-parameters": False},
    }
)
# Many more before a release: BURGEE_EXAMPLES=500 pytest tests/web/test_openapi.py
EXAMPLES = int(os.environ.get("BURGEE_EXAMPLES", "5"))
KEY = bearer(token(STORE, Kind.ADMIN, *ALL))
APP = create_app(STORE, Serving(STORE, refresh_seconds=0), Setup(ring=KeyRing(STORE), limits=None))
schema = schemathesis.openapi.from_asgi("/openapi.json", APP, config=CONFIG)


@pytest.fixture(scope="module", autouse=True)
def _close() -> Iterator[None]:
    yield
    STORE.close()


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented(case: Case[Any]) -> None:
    case.call_and_validate(headers=KEY)
