"""Listens to a service's WebSocket, which says when to ask it again. It needs the package `websockets`."""

from __future__ import annotations

import json
import socket
from random import Random
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from burgee.http_client import service_address

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from websockets.sync.client import ClientConnection

PATH = "/v1/live"
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
"""Seconds before connecting again, doubled from the first to the longest, and jittered by half."""
REFUSED_SECONDS = 3_600.0
"""Seconds before trying a service again that does not offer it, or refuses the key."""
IDLE_SECONDS = 480.0
"""Seconds after which something is said, because API Gateway closes what is silent for ten minutes."""
OPEN_SECONDS = 10.0


class LiveClient:
    """Calls `moved` with the position that the service has reached, and with "" after each connection.

    It connects again by itself.
    """

    def __init__(self, url: str, key: str | None, moved: Callable[[str], None]) -> None:
        address = url if url.startswith(("ws://", "wss://")) else _websocket(service_address(url, PATH))
        self._address = address
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._moved = moved
        self._position = ""
        self._chance = Random()  # noqa: S311 - it only spreads load
        self._connection: ClientConnection | None = None

    @property
    def connected(self) -> bool:
        """Whether it listens now."""
        return self._connection is not None

    def close(self) -> None:
        """Ends a connection; the thread ends if it has been stopped."""
        connection = self._connection
        if connection is not None:
            connection.close()

    def start(self, stop: Event) -> None:
        """Listens in a thread of its own until stopped; does nothing without the package."""
        try:
            import websockets.sync.client  # noqa: F401
        except ImportError:
            return
        Thread(target=self._listen, args=(stop,), name="burgee-live", daemon=True).start()

    def _listen(self, stop: Event) -> None:
        from websockets.exceptions import InvalidStatus, WebSocketException

        wait = FIRST_WAIT_SECONDS
        while not stop.is_set():
            try:
                self._connect(stop)
                wait = FIRST_WAIT_SECONDS
            except InvalidStatus as error:
                refused = error.response.status_code < 500 and error.response.status_code != 429
                wait = REFUSED_SECONDS if refused else min(wait * 2, LONGEST_WAIT_SECONDS)
            except ValueError:  # a redirect
                wait = REFUSED_SECONDS
            except (OSError, WebSocketException):
                was_open = self._connection is not None
                wait = FIRST_WAIT_SECONDS if was_open else min(wait * 2, LONGEST_WAIT_SECONDS)
            finally:
                self._connection = None
            stop.wait(wait * self._chance.uniform(0.5, 1.5))

    def _connect(self, stop: Event) -> None:
        from websockets.sync.client import connect

        address = urlsplit(self._address)
        port = address.port or (443 if address.scheme == "wss" else 80)
        with connect(
            f"{self._address}?since={quote(self._position)}",
            # With a socket that is open already no redirect is followed, and so no key sent along with one.
            sock=socket.create_connection((address.hostname or "", port), OPEN_SECONDS),
            additional_headers=self._headers,
            open_timeout=OPEN_SECONDS,
            compression=None,
            max_size=1_024,
        ) as connection:
            self._connection = connection
            self._moved("")  # what moved while it was not connected
            while not stop.is_set():
                try:
                    self._hear(connection.recv(IDLE_SECONDS))
                except TimeoutError:
                    connection.send("ping")

    def _hear(self, data: str | bytes) -> None:
        try:
            message: Any = json.loads(data)
        except ValueError:
            return
        if isinstance(message, dict) and message.get("type") == "refetchEvaluation":
            self._position = str(message.get("etag", ""))[:40]
            self._moved(self._position)


def _websocket(address: str) -> str:
    return "ws" + address.removeprefix("http")
