"""What a table answers may be anything: a fault of the store for both clients, and never taken for no answer."""

from __future__ import annotations

import base64
import json
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import find
from burgee.errors import StoreError
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.dynamodb_http import Wire
from support.dynamodb import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def item(**attributes: Any) -> bytes:
    return json.dumps({"Item": attributes}).encode()


def binary(data: bytes) -> dict[str, str]:
    return {"B": base64.b64encode(data).decode()}


BODIES = {
    "nothing": b"",
    "HTML": b"<html>it works</html>",
    "half": b'{"Item": {"record": {"B": "bnV',
    "not UTF-8": b"\xff\xfe\x00",
    "null": b"null",
    "a list": b"[]",
    "a number": b"5",
    "a string": b'"Item"',
    "deep": b"[" * 100_000,
    "deep item": b'{"Item": ' + b'{"M": ' * 50_000,
    "item null": b'{"Item": null}',
    "item a number": b'{"Item": 5}',
    "item a list": b'{"Item": []}',
    "item a string": b'{"Item": "x"}',
    "item empty": item(),
    "attribute a number": item(record=5, sk=5, pk=5),
    "attribute null": item(record=None),
    "of another type": item(record={"S": "text"}),
    "not base64": item(record={"B": "!!"}),
    "bytes as a number": item(record={"B": 5}),
    "record not JSON": item(record=binary(b"{")),
    "record null": item(record=binary(b"null")),
    "record a list": item(record=binary(b"[]")),
    "record deep": item(record=binary(b"[" * 100_000)),
    "record not UTF-8": item(record=binary(b"\xff")),
    "record empty": item(record=binary(b"{}")),
    "record compressed": item(record=binary(zlib.compress(b"{}"))),
}


class Answering(BaseHTTPRequestHandler):
    """Answers every request with the same bytes."""

    body = b""
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module", params=["botocore", "ours"])
def store(request: pytest.FixtureRequest, url: str) -> Iterator[DynamoDbStore]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        client = None if request.param == "botocore" else Wire({**CREDENTIALS, "AWS_ENDPOINT_URL": url})
        store = DynamoDbStore("flags", endpoint_url=url, client=client)
        yield store
        store.close()


READS: dict[str, Callable[[DynamoDbStore], object]] = {
    "a key": lambda store: find(store, "0" * 16),
    "the pointer": lambda store: store.pointer(),
    "the state": lambda store: store.state(),
    "a release": lambda store: store.release(1),
    "a payload": lambda store: store.payload(1),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("name", BODIES)
def test_a_malformed_answer_is_a_fault_of_the_store(
    store: DynamoDbStore, monkeypatch: pytest.MonkeyPatch, name: str, read: str
) -> None:
    monkeypatch.setattr(Answering, "body", BODIES[name])
    with pytest.raises(StoreError):
        READS[read](store)
