"""Requests of services' own addresses."""

from __future__ import annotations

from typing import Any
from urllib.error import HTTPError
from urllib.request import Request

import pytest

from burgee.errors import SinkUnavailable, StoreUnavailable
from burgee.events.http_sink import HttpSink
from burgee.events.records import RecordScope, exposure
from burgee.http_client import send, service_address
from burgee.serving.http_source import HttpSource
from support.gitlab import answering


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_key_follows_a_redirect(status: int) -> None:
    """urllib would send it again, with its header, to any host that the answer names."""
    with (
        answering(lambda *_: (200, {}, {})) as (elsewhere, stolen),
        answering(lambda *_: (status, {}, {"Location": f"{elsewhere}/"})) as (service, calls),
    ):
        with pytest.raises(HTTPError, match=str(status)) as refused:
            send(Request(service, headers={"Authorization": "Bearer secret"}), timeout=20)
        refused.value.close()
        with pytest.raises(StoreUnavailable, match=f"answered {status}"):
            HttpSource(service, key="secret").poll()
        shown: dict[str, Any] = {"variant": "on", "reason": "SPLIT", "rule": None, "release": "1", "properties": {}}
        with pytest.raises(SinkUnavailable, match=f"answered {status}"):
            HttpSink(service, key="secret").write([exposure("beta", shown, "ada", RecordScope(), 1.0)])
    assert (len(calls), stolen) == (3, [])


@pytest.mark.parametrize("url", ["file:///etc/passwd", "flags.example.com", "ftp://x", "", "javascript:1"])
def test_only_addresses_of_the_web_are_taken(url: str) -> None:
    with pytest.raises(ValueError, match="not the http or https address"):
        service_address(url, "/ruleset")
