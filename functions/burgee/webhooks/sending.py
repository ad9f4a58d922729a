"""Sends one request of a webhook, to an address that was checked after DNS, within a time, without redirects."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from contextlib import suppress
from functools import cached_property
from ipaddress import ip_address
from threading import Event, Timer
from typing import TYPE_CHECKING, NamedTuple

from burgee.errors import Refused
from burgee.version import __version__
from burgee.webhooks.addresses import is_public, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.webhooks.addresses import Target

    Resolve = Callable[[str, int], list[str]]
    """The addresses of a host and port."""
    Connect = Callable[[str, int, float], socket.socket]
    """A connection to an address and port, within a number of seconds."""

SECONDS = 15.0
"""Maximum time of an attempt after DNS, from connecting to the answer's header."""
MAX_ADDRESSES = 3
LONGEST_WAIT = 21_600.0
"""Longest `Retry-After` that is honoured, in seconds."""


class Outcome(NamedTuple):
    """The result of an attempt: the status of the answer, if there was one, and a description of the failure.

    The description has nothing of an answer: a caller who may add a webhook could read other services by it.
    """

    status: int | None = None
    why: str = ""
    retry_after: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has the message."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more messages."""
        return self.status == 410

    @property
    def is_down(self) -> bool:
        """Whether the receiver as a whole does not answer, or asks for less."""
        return self.status is None or self.status in {429, 502, 503, 504}


class Sender:
    """Sends requests. With `loopback`, addresses of this machine are allowed too, also without TLS."""

    def __init__(
        self,
        *,
        loopback: bool = False,
        seconds: float = SECONDS,
        resolve: Resolve | None = None,
        connect: Connect | None = None,
    ) -> None:
        self.loopback = loopback
        self._seconds = seconds
        self._resolve = resolve or _resolved
        self._connect = connect or _connected

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()  # reads all trusted roots: once

    def send(self, url: str, fields: Mapping[str, str], body: bytes) -> Outcome:
        """Posts a body. A failure of any kind is an outcome."""
        try:
            target = parse(url, loopback=self.loopback)
            addresses = self._addresses(target)
        except Refused as refusal:
            return Outcome(why=str(refusal))
        except (OSError, UnicodeError):
            return Outcome(why="the name was not found")
        end = time.monotonic() + self._seconds
        try:
            connection = self._connection(target, addresses, end)
        except ssl.SSLCertVerificationError:
            return Outcome(why="its certificate is not valid")
        except TimeoutError:
            return Outcome(why="no connection in time")
        except OSError:
            return Outcome(why="no connection")
        return _posted(connection, target, fields, body, end)

    def _addresses(self, target: Target) -> list[str]:
        """The addresses to connect to; Refused if any of them is not public: no name of the public is like that."""
        found = list(dict.fromkeys(self._resolve(target.host, target.port)))
        for address in found:
            parsed = ip_address(address)
            if not (is_public(parsed) or (target.is_loopback and parsed.is_loopback and self.loopback)):
                raise Refused("invalid-webhook", "the name leads to an address that is not public")
        if not found:
            raise OSError("no address")
        return found[:MAX_ADDRESSES]

    def _connection(self, target: Target, addresses: list[str], end: float) -> http.client.HTTPConnection:
        """A connection to the first address that accepts one."""
        for place, address in enumerate(addresses):
            try:
                plain = self._connect(address, target.port, max(0.001, end - time.monotonic()))
                break
            except OSError:
                if place == len(addresses) - 1:
                    raise
        if target.scheme == "http":
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = plain
            return connection
        secure = http.client.HTTPSConnection(target.host, target.port, context=self._tls)
        try:
            plain.settimeout(max(0.001, end - time.monotonic()))
            secure.sock = self._tls.wrap_socket(plain, server_hostname=target.host)
        except BaseException:
            plain.close()
            raise
        return secure


def _posted(
    connection: http.client.HTTPConnection, target: Target, fields: Mapping[str, str], body: bytes, end: float
) -> Outcome:
    """The outcome of a request on an open connection; a receiver that sends byte by byte is cut off too."""
    held, over = connection.sock, Event()
    timer = Timer(max(0.0, end - time.monotonic()), _cut, [held, over])
    timer.daemon = True
    timer.start()
    try:
        held.settimeout(max(0.001, end - time.monotonic()))
        connection.putrequest("POST", target.path, skip_accept_encoding=True)
        for name, value in {
            "user-agent": f"burgee/{__version__}",
            "content-type": "application/json",
            **fields,
        }.items():
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(body)))
        connection.putheader("connection", "close")
        connection.endheaders(body)
        answer = connection.getresponse()
        if over.is_set():  # a header that was cut off looks like a short one
            raise TimeoutError
    except (OSError, http.client.HTTPException, ValueError) as error:
        late = over.is_set() or isinstance(error, TimeoutError)
        return Outcome(why="no answer in time" if late else "no usable answer")
    finally:
        timer.cancel()
        connection.close()
    if 300 <= answer.status < 400:
        return Outcome(answer.status, f"answered {answer.status}: redirects are not followed")
    why = "" if 200 <= answer.status < 300 else f"answered {answer.status}"
    return Outcome(answer.status, why, _seconds_of(answer.getheader("retry-after", "")))


def _seconds_of(text: str) -> float:
    """The seconds of a Retry-After; dates are not read, as the schedule is good enough for those."""
    digits = text.strip()[:9]
    return min(float(digits), LONGEST_WAIT) if digits.isascii() and digits.isdigit() else 0.0


def _cut(held: socket.socket, over: Event) -> None:
    over.set()
    with suppress(OSError):
        socket.socket.shutdown(held, socket.SHUT_RDWR)  # not the TLS one, which another thread is reading


def _resolved(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _connected(address: str, port: int, seconds: float) -> socket.socket:
    return socket.create_connection((address, port), timeout=seconds)
