"""A load at a constant rate over kept connections, and how long each answer took from the moment it was due.

A request that is due while every connection waits for an answer is sent late, and its time still counts from when it
was due: a server that stalls is charged for all requests that were due in between (no coordinated omission). The loop
spins, so it wants a CPU of its own.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections import deque

CONNECTIONS = 32
PATIENCE = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection:
    """One kept connection, with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._read = b""

    def ask(self, message: bytes, due: float) -> None:
        """Sends a request that was due at a time."""
        self.due, self._read = due, b""
        self.socket.sendall(message)

    def answered(self) -> bool:
        """Reads what is there; whether the answer is whole. AssertionError where it is not a good one."""
        self._read += self.socket.recv(1 << 18)
        head, gap, body = self._read.partition(b"\r\n\r\n")
        if not gap:
            assert self._read, "the server hung up"
            return False
        assert head.startswith(b"HTTP/1.1 200"), head
        length = _LENGTH.search(head + b"\r\n")
        assert length is not None, head
        return len(body) >= int(length[1])


def paced(port: int, message: bytes, rate: float, seconds: float) -> list[float]:
    """Seconds of every answer at so many requests a second."""
    connections = {one.socket.fileno(): one for one in [Connection(port) for _ in range(CONNECTIONS)]}
    poll = select.epoll()
    for number in connections:
        poll.register(number, select.EPOLLIN)
    free, total, sent, took = deque(connections.values()), int(rate * seconds), 0, list[float]()
    start = time.perf_counter()
    while len(took) < total:
        now = time.perf_counter()
        assert now < start + seconds + PATIENCE, "the server does not keep up"
        while sent < total and free and start + sent / rate <= now:
            free.popleft().ask(message, start + sent / rate)
            sent += 1
        for number, _ in poll.poll(0):
            if connections[number].answered():
                took.append(time.perf_counter() - connections[number].due)
                free.append(connections[number])
    poll.close()
    for one in connections.values():
        one.socket.close()
    return took
