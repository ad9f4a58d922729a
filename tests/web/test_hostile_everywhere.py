"""Hostile bodies, names and queries on every route of a real server: no 5xx, no hang, and memory stays bounded."""

from __future__ import annotations

import http.client
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from support.hostile import BODIES
from support.serve import serving
from support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = "version: 1\nflags:\n  beta: {status: on, rollout_percentage: 50, client: true}\n"
TEXTS = {
    "a line break": "a%0D%0ASet-Cookie:%20x=1",
    "NUL": "a%00b",
    "half a surrogate pair": "%ED%A0%80",
    "bad UTF-8": "%C3%28",
    "a prototype": "__proto__",
    "up": "..%2F..%2Fetc%2Fpasswd",
    "long": "x" * 8000,
    "a percent sign": "%25s%n",
}
FIRST, AGAIN = 48_000_000, 16_000_000
"""Bytes that the largest resident size may grow by: in a first round, and in the next, where only what is kept of
requests could make it grow.
"""


def asked(document: dict[str, Any]) -> Iterator[tuple[str, str, bytes | None]]:
    """Method, path with its query, and body of each request."""
    for path, operations in document["paths"].items():
        there = path.replace("{version}", "1").replace("{key_id}", "0" * 16)
        for name in ("flag_name", "user_id", "key", "flag"):
            there = there.replace(f"{{{name}}}", "beta")
        for method in map(str.upper, operations):
            for text in TEXTS.values():
                first, _, _ = path.partition("{")
                yield method, f"{first}{text}" if "{" in path else path, b"{}"
                yield method, f"{there}?{text}={text}&limit={text}&cursor={text}&dry_run={text}", b"{}"
            many = "&".join(f"a{number}={number}" for number in range(4000))
            yield method, f"{there}?{many}", None
            if method in {"POST", "PUT"}:
                for body in BODIES.values():
                    yield method, there, body
                    yield method, there, b'{"context": ' + (body or b"{}") + b"}"
                    yield method, there, b'{"events": [' + (body or b"{}") + b"]}"


def peak(process: int) -> int:
    """The largest resident size so far, in bytes."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="the size of the process is read from /proc")
def test_nothing_that_is_sent_breaks_hangs_or_bloats_a_server(tmp_path: Path) -> None:
    (tmp_path / "flags.yaml").write_text(FILE, encoding="utf-8")
    with serving(tmp_path) as server:
        document = server.call("/openapi.json")
        assert "/v1/events" in document["paths"]
        server.call("/flags")
        server.call("/experiments")
        sizes, statuses = [peak(server.process.pid)], Counter[int]()
        for _ in range(2):
            for method, url, body in asked(document):
                statuses[sent(server.url, method, url, body)] += 1
            sizes.append(peak(server.process.pid))
        assert server.call("/health")["status"] == "healthy"
    first, again = (after - before for before, after in pairwise(sizes))
    reported = ", ".join(f"{number:,} times {status}" for status, number in sorted(statuses.items()))
    print(
        f"{reported}; the peak grew by {first / 1e6:.1f} MB in the first round and {again / 1e6:.1f} MB in the second"
    )
    assert statuses.total() > 2000
    assert not [status for status in statuses if status >= 500]
    assert first < FIRST
    assert again < AGAIN


def sent(server: str, method: str, url: str, body: bytes | None) -> int:
    """The status of the answer, 0 where the server would not read a large body to its end."""
    address = urlsplit(server)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=PATIENCE)
    try:
        connection.request(method, url, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
    except (BrokenPipeError, ConnectionResetError):
        assert len(body or b"") > 128 * 1024
        return 0
    finally:
        connection.close()
    assert answer.status < 500, f"{method} {url[:200]} {(body or b'')[:200]!r}: {answer.status}"
    assert "set-cookie" not in answer.headers
    return answer.status
