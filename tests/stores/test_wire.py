"""The reading client: its signature against botocore's, its answers and refusals against a server."""

from __future__ import annotations

import json
import ssl
from base64 import b64encode
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from burgee.errors import StoreUnavailable
from burgee.stores.dynamodb_http import Credentials, Wire, sign
from support.certificates import authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOW = 1_800_000_000.0
TEXT = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40)


@given(TEXT, TEXT, st.none() | TEXT, st.sampled_from(["eu-west-1", "cn-north-1"]), st.binary(max_size=200))
def test_the_signature_is_botocores(key: str, secret: str, token: str | None, region: str, body: bytes) -> None:
    host = f"dynamodb.{region}.amazonaws.com"
    headers = {"Content-Type": "application/x-amz-json-1.0", "Host": host, "X-Amz-Target": "DynamoDB_20120810.Query"}
    request = AWSRequest("POST", f"https://{host}/", dict(headers), body)
    with patch("botocore.auth.get_current_datetime", return_value=datetime.fromtimestamp(NOW, UTC)):
        SigV4Auth(BotoCredentials(key, secret, token), "dynamodb", region).add_auth(request)
    ours = sign(Credentials(key, secret, token), region, headers, body, NOW)
    assert ours["Authorization"] == request.headers["Authorization"]


class Table(ThreadingHTTPServer):
    """Gives prepared answers, one after the other; keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[tuple[int, Any]] = []
        self.asked: list[tuple[dict[str, str], Any]] = []
        self.environment = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.server_port}",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Table
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((dict(self.headers), json.loads(body) if body else None))
        status, reported = self.server.answers.pop(0)
        if status == 0:  # hangs up
            self.close_connection = True
            return
        data = reported if isinstance(reported, bytes) else json.dumps(reported).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST  # noqa: N815 - the base class names it

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def table() -> Iterator[Table]:
    server = Table()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


ITEM = {"pk": {"S": "a"}, "data": {"B": b64encode(b"\x00\xff").decode()}, "n": {"N": "3"}}
FAULT = {"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "slow down"}


def test_binary_attributes_arrive_as_bytes(table: Table) -> None:
    wire = Wire(table.environment)
    table.answers = [(200, {"Item": ITEM}), (200, {}), (200, {"Items": [ITEM]})]
    reported = {"pk": {"S": "a"}, "data": {"B": b"\x00\xff"}, "n": {"N": "3"}}
    assert wire.get_item(TableName="t", Key={}) == {"Item": reported}
    assert wire.get_item(TableName="t", Key={}) == {}
    assert wire.query(TableName="t")["Items"] == [reported]
    assert [headers["X-Amz-Target"] for headers, _ in table.asked] == [
        "DynamoDB_20120810.GetItem",
        "DynamoDB_20120810.GetItem",
        "DynamoDB_20120810.Query",
    ]
    wire.close()


@pytest.mark.parametrize("first", [(0, None), (500, b"<html>"), (400, FAULT)])
def test_what_passes_is_tried_once_more(table: Table, first: tuple[int, Any]) -> None:
    wire = Wire(table.environment)
    table.answers = [first, (200, {})]
    assert wire.get_item(TableName="t") == {}
    wire.close()


@pytest.mark.parametrize(
    ("answers", "reported"),
    [
        ([(400, FAULT), (400, FAULT)], "ThrottlingException: slow down"),
        ([(400, {"__type": "x#AccessDeniedException", "Message": "no"})], "AccessDeniedException: no"),
        ([(503, b""), (503, b"")], "503"),
        ([(200, b"nonsense")], "not JSON"),
        ([(0, None), (0, None)], "DynamoDB: "),
    ],
)
def test_what_stays_is_reported(table: Table, answers: list[tuple[int, Any]], reported: str) -> None:
    wire = Wire(table.environment)
    table.answers = answers
    with pytest.raises(StoreUnavailable, match=reported):
        wire.get_item(TableName="t")
    assert table.answers == []
    wire.close()


def test_credentials_of_a_restored_function_come_from_the_address_that_it_names(table: Table) -> None:
    environment = {name: value for name, value in table.environment.items() if "KEY" not in name}
    environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"{environment['AWS_ENDPOINT_URL']}/credentials"
    environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "word"
    wire = Wire(environment, clock=lambda: NOW)
    soon, later = "2027-01-15T08:00:30Z", "2027-01-16T08:00:00Z"
    granted = {"AccessKeyId": "K", "SecretAccessKey": "S", "Token": "T"}
    table.answers = [
        (200, {**granted, "Expiration": soon}),
        (200, {}),
        (200, {**granted, "Expiration": later}),
        (200, {}),
        (200, {}),
    ]
    for _ in range(3):
        wire.get_item(TableName="t")
    asked = ["credentials" if body is None else headers["X-Amz-Security-Token"] for headers, body in table.asked]
    assert asked == ["credentials", "T", "credentials", "T", "T"]
    assert table.asked[0][0]["Authorization"] == "word"
    wire.close()


@pytest.mark.parametrize("url", [None, "http://192.0.2.1/credentials"])
def test_without_credentials_nothing_is_asked(table: Table, url: str | None) -> None:
    environment = {name: value for name, value in table.environment.items() if "KEY" not in name}
    if url:
        environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url
    with pytest.raises(StoreUnavailable, match="credentials"):
        Wire(environment).get_item(TableName="t")
    assert table.asked == []


@pytest.fixture
def secure(table: Table, tmp_path: Path) -> Path:
    """The table over https, hanging up after each answer; the file with its authority's certificate."""
    made = authority(tmp_path)
    table.socket = made.server.wrap_socket(table.socket, server_side=True)
    table.environment["AWS_ENDPOINT_URL"] = f"https://127.0.0.1:{table.server_port}"
    return made.bundle


def test_certificates_are_loaded_once_for_all_connections(
    table: Table, secure: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[ssl.SSLContext] = []

    def counted(**more: Any) -> ssl.SSLContext:
        contexts.append(create_default_context(**more))
        return contexts[-1]

    create_default_context = ssl.create_default_context
    monkeypatch.setattr("burgee.stores.tls.create_default_context", counted)
    table.answers = [(200, {})] * 5
    wire = Wire({**table.environment, "AWS_CA_BUNDLE": str(secure)})
    for _ in range(5):
        assert wire.get_item(TableName="flags") == {}
        wire.close()
    assert len(contexts) == 1
    assert contexts[0].verify_mode is ssl.CERT_REQUIRED
    assert contexts[0].check_hostname


@pytest.mark.usefixtures("secure")
def test_a_server_that_nobody_vouches_for_learns_nothing(table: Table, tmp_path: Path) -> None:
    other = authority(tmp_path, "other").bundle
    for more in ({}, {"AWS_CA_BUNDLE": str(other)}):
        wire = Wire({**table.environment, **more})
        with pytest.raises(StoreUnavailable, match="certificate"):
            wire.get_item(TableName="flags")
    assert table.asked == []
