"""A DynamoDB client for evaluators, which hardly write: four operations over `http.client`, signed with SigV4.

It replaces botocore's client where cold starts matter: importing botocore and reading its service description takes
longer than everything else that an evaluator does before its first answer.
"""

from __future__ import annotations

import hmac
import json
import time
from base64 import b64decode, b64encode
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from burgee.errors import StoreUnavailable
from burgee.records import NamedTuple
from burgee.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.stores.tls import Tls

REFRESH_BEFORE = 300
"""Credentials that expire within this many seconds are refreshed."""
METADATA_TIMEOUT = 1.0
_RETRIED = ("Throttling", "ThrottlingException", "ProvisionedThroughputExceededException", "InternalServerError")


class Credentials(NamedTuple):
    """Credentials that requests are signed with."""

    key: str
    secret: str
    token: str | None = None
    expires: float = float("inf")


class Wire:
    """Reads a region's tables; its methods are those of botocore's that this project calls.

    `environment` holds AWS's variables for credentials, region, endpoint and certificates. One connection is kept
    open per concurrent thread.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        timeout: float = 0.5,
        attempts: int = 2,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._environment = environment
        self._timeout = timeout
        self._attempts = attempts
        self._clock = clock
        self._region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or "us-east-1"
        endpoint = environment.get("AWS_ENDPOINT_URL_DYNAMODB") or environment.get("AWS_ENDPOINT_URL")
        self._endpoint = urlsplit(endpoint or f"https://dynamodb.{self._region}.{_suffix(self._region)}")
        self._credentials: Credentials | None = None
        self._idle: list[HTTPConnection] = []
        self._tls: Tls | None = None

    def get_item(self, **request: Any) -> dict[str, Any]:
        """One item, under `Item` if it exists."""
        answer = self._ask("GetItem", request)
        if "Item" in answer:
            answer["Item"] = _decoded(answer["Item"])
        return answer

    def query(self, **request: Any) -> dict[str, Any]:
        """A page of items."""
        answer = self._ask("Query", request)
        answer["Items"] = [_decoded(item) for item in answer["Items"]]
        return answer

    def put_item(self, **request: Any) -> dict[str, Any]:
        """Writes one item: when a key was last seen."""
        return self._ask("PutItem", {**request, "Item": _encoded(request["Item"])})

    def delete_item(self, **request: Any) -> dict[str, Any]:
        """Deletes one item: a connection that has ended."""
        return self._ask("DeleteItem", request)

    def close(self) -> None:
        """Closes the connections and drops the credentials: after a restored snapshot they are stale."""
        self._hang_up()
        self._credentials = None

    def _ask(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        body = json.dumps(request).encode()
        for attempt in range(1, self._attempts + 1):
            last = attempt == self._attempts
            try:
                status, data = self._send(operation, body)
            except (OSError, HTTPException) as error:
                self._hang_up()  # after a freeze all connections are dead
                if last:
                    raise StoreUnavailable(f"DynamoDB: {error or type(error).__name__}") from error
                continue
            if status == 200:
                answer: dict[str, Any] = _parsed(data)
                return answer
            code, message = _fault(status, data)
            if last or not (status >= 500 or code in _RETRIED):
                raise StoreUnavailable(f"DynamoDB: {code}: {message}")
        raise AssertionError("the last attempt returns or raises")

    def _send(self, operation: str, body: bytes) -> tuple[int, bytes]:
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "Host": self._endpoint.netloc,
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
        }
        signed = sign(self._current(), self._region, headers, body, self._clock())
        connection = self._idle.pop() if self._idle else self._connected()
        try:
            connection.request("POST", "/", body, signed)
            response = connection.getresponse()
            answer = response.status, response.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        return answer

    def _hang_up(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _connected(self) -> HTTPConnection:
        if self._endpoint.scheme != "https":
            return HTTPConnection(self._endpoint.netloc, timeout=self._timeout)
        if self._tls is None:
            from burgee.stores.tls import Tls

            self._tls = Tls(self._environment.get("AWS_CA_BUNDLE"))
        return self._tls.connect(self._endpoint.netloc, self._timeout)

    def _current(self) -> Credentials:
        """The function's credentials: from its environment or, under SnapStart, from the endpoint named there."""
        held = self._credentials
        if held is None or held.expires - self._clock() < REFRESH_BEFORE:
            held = self._credentials = self._found()
        return held

    def _found(self) -> Credentials:
        environment = self._environment
        if "AWS_ACCESS_KEY_ID" in environment:
            key, secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
            return Credentials(key, secret, environment.get("AWS_SESSION_TOKEN"))
        url = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if url is None:
            raise StoreUnavailable("DynamoDB: the environment has no credentials")
        address = urlsplit(url)
        if address.hostname not in {"localhost", "127.0.0.1", "169.254.170.2", "169.254.170.23"}:
            raise StoreUnavailable("DynamoDB: credentials are fetched from this machine only")
        connection = HTTPConnection(address.netloc, timeout=METADATA_TIMEOUT)
        try:
            headers = {"Authorization": environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")}
            connection.request("GET", f"{address.path}?{address.query}".rstrip("?"), headers=headers)
            response = connection.getresponse()
            answer = _parsed(response.read()) if response.status == 200 else {}
        finally:
            connection.close()
        try:
            expires = parse_time(answer["Expiration"])
            return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"], expires)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreUnavailable("DynamoDB: the function's credentials could not be fetched") from error


def sign(
    credentials: Credentials, region: str, headers: Mapping[str, str], body: bytes, now: float
) -> dict[str, str]:
    """The headers of a POST to `/` of DynamoDB, including its signature."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    signed = {**headers, "X-Amz-Date": stamp}
    if credentials.token:
        signed["X-Amz-Security-Token"] = credentials.token
    names = sorted(name.lower() for name in signed)
    values = {name.lower(): value.strip() for name, value in signed.items()}
    listed = ";".join(names)
    lines = ["POST", "/", "", *(f"{name}:{values[name]}" for name in names), "", listed, sha256(body).hexdigest()]
    scope = f"{stamp[:8]}/{region}/dynamodb/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, sha256("\n".join(lines).encode()).hexdigest()])
    key = f"AWS4{credentials.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    authorization = f"AWS4-HMAC-SHA256 Credential={credentials.key}/{scope}, SignedHeaders={listed}"
    return {**signed, "Authorization": f"{authorization}, Signature={signature}"}


def _suffix(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise StoreUnavailable("DynamoDB: the answer is not JSON") from error


def _fault(status: int, data: bytes) -> tuple[str, str]:
    try:
        answer = json.loads(data)
        return str(answer["__type"]).rpartition("#")[2], str(answer.get("message") or answer.get("Message"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return str(status), "no reason given"


def _encoded(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: {"B": b64encode(value["B"]).decode()} if "B" in value else value for name, value in item.items()}


def _decoded(item: Mapping[str, Any]) -> dict[str, Any]:
    """Decodes an item's binary attributes to bytes; this project does not nest them."""
    return {name: {"B": b64decode(value["B"])} if "B" in value else value for name, value in item.items()}
