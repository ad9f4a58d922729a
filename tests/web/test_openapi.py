"""The service against its own OpenAPI document: schemathesis with all its checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from burgee.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schemathesis import Case

STORE = SqliteStore(":memory:")
# 400 says that a name is taken, as in the first version; 422 also what a schema cannot say, such as a time's order.
ACCEPTED = {"expected-statuses": ["2xx", "304", "400", "404", "422"]}
CONFIG = schemathesis.Config.from_dict({"checks": {"positive_data_acceptance": ACCEPTED}})
APP = create_app(STORE, Serving(STORE, refresh_seconds=0))
schema = schemathesis.openapi.from_asgi("/openapi.json", APP, config=CONFIG)


@pytest.fixture(scope="module", autouse=True)
def _close() -> Iterator[None]:
    yield
    STORE.close()


@schema.parametrize()
@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_every_answer_is_documented(case: Case[Any]) -> None:
    case.call_and_validate()
