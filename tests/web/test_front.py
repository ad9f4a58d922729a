"""What stands before every route: a request that comes past the firewall."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

from burgee.serving.serving import Serving
from burgee.web.evaluation_app import evaluation_app
from burgee.web.front import Setup

SECRET = "s" * 32
SNAPSHOT = {"format": 1, "environment": None, "flags": {"a": {"status": True}}, "segments": {}, "holdouts": {}}


@pytest.mark.parametrize("path", ["/health", "/users/ada/flags", "/users/ada/flags/a", "/nowhere"])
def test_with_a_secret_only_the_firewall_is_answered(path: str) -> None:
    client = TestClient(evaluation_app(Serving(bundled=SNAPSHOT), None, Setup(origin_secret=SECRET)))
    open_to_all = TestClient(evaluation_app(Serving(bundled=SNAPSHOT), None, Setup()))
    for headers in ({}, {"X-Burgee-Origin": ""}, {"X-Burgee-Origin": SECRET[1:]}, {"X-Burgee-Origin": "ü" * 32}):
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        assert client.get(path, headers=sent).status_code == 403
    wanted = open_to_all.get(path).status_code
    assert wanted != 403
    assert client.get(path, headers={"X-Burgee-Origin": SECRET}).status_code == wanted
