"""Prints what is claimed of API keys: how soon a revoked one is refused, and that a check reveals nothing of a guess.

    python tests/benchmarks/keys.py revocation    # two minutes: real servers, real time, twice
    python tests/benchmarks/keys.py timing        # half a minute

Revocation: servers ask for keys; a key is used on all of them, revoked through the first, and used on all until
each refuses. First one server on the embedded store, then two on a table in MiniStack.

Timing: each of many keys is checked against guesses that begin like its secret, and against guesses that begin
alike too, but wrong from the first character on, in random order. Each key gives one difference of medians, and all
of them Student's t; beyond 3.3 a difference is real at one in a thousand. One key alone would not do: letters cost
another time than digits, right or wrong. A comparison that stops at the first wrong character goes the same way, to
show that the method sees one.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
import tempfile
import time
import urllib.error
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from burgee.access.key_cache import KeyRing
from burgee.access.keys import Kind, create
from burgee.stores import Tenant
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS, ministack, table_at
from support.keys import ALL, act, release
from support.serve import Server, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from burgee.stores import Store

FILE = "version: 1\nflags:\n  beta: {status: on}\n"
SHARED = (8, 40, 63)
KEYS = 200
CHECKS = 1000
DIGITS = "0123456789abcdef"
chance = random.Random(11)


def status(server: Server, token: str) -> int:
    """What the key is answered."""
    try:
        server.call("/users/ada/flags", **{"X-API-Key": token})
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    return 200


def revoked(store: Store, servers: Sequence[Server]) -> list[float]:
    """Seconds from the answer to the revocation until each server refuses for good."""
    made = create(store, Kind.SERVER, "app", act("key.create"))
    admin = {"X-API-Key": create(store, Kind.ADMIN, "ops", act("key.create"), ALL).token, "X-Burgee-Reason": "leaked"}
    assert [status(server, made.token) for server in servers] == [200] * len(servers)
    servers[0].call(f"/keys/{made.key.id}", "DELETE", **admin)
    start = time.monotonic()
    until: dict[int, float] = {}
    while len(until) < len(servers):
        for number, server in enumerate(servers):
            if number not in until and status(server, made.token) == 401:
                until[number] = time.monotonic() - start
        assert time.monotonic() - start < 120
        time.sleep(0.1)
    assert [status(server, made.token) for server in servers] == [401] * len(servers)
    return [until[number] for number in range(len(servers))]


def revocation() -> None:
    """Both stores."""
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        folders = [Path(place) / name for name in ("embedded", "first", "second")]
        for folder in folders:
            folder.mkdir()
            (folder / "flags.yaml").write_text(FILE, encoding="utf-8")
        state = folders[0] / "state.sqlite"
        embedded = SqliteStore(state, Tenant())
        create(embedded, Kind.SERVER, "first", act("key.create"))  # without any key it does not start
        with serving(folders[0], "--require-keys", "--state", str(state)) as server:
            (seconds,) = revoked(embedded, [server])
        print(f"embedded store: refused {seconds:.1f} s after the revocation")
        embedded.close()

        url = stack.enter_context(ministack(Path(place)))
        table_at(url)
        table = DynamoDbStore("flags", Tenant(), endpoint_url=url)
        release(table, {"beta": {"status": True}})
        create(table, Kind.SERVER, "first", act("key.create"))
        arguments = ("--require-keys", "--table", "flags", "--endpoint-url", url)
        servers = [stack.enter_context(serving(folder, *arguments)) for folder in folders[1:]]
        here, there = revoked(table, servers)
        print(f"two servers on one table: refused {here:.1f} s after it by the first, {there:.1f} s by the other")
        table.close()


def difference(check: Callable[[str], object], right: list[str], wrong: list[str]) -> float:
    """Nanoseconds that a right beginning takes more, by the medians."""
    order = [False, True] * CHECKS
    chance.shuffle(order)
    times: tuple[list[float], list[float]] = ([], [])
    clock = time.perf_counter_ns
    for number, second in enumerate(order):
        guess = (wrong if second else right)[number % len(right)]
        start = clock()
        check(guess)
        times[second].append(clock() - start)
    return median(times[0]) - median(times[1])


def guesses(head: str, begin: str, end: str) -> list[str]:
    """Tokens that begin so and end otherwise."""
    return [
        head + begin + "".join(chance.choices(DIGITS, k=63 - len(begin))) + chance.choice(DIGITS.replace(end, ""))
        for _ in range(200)
    ]


def timing() -> None:
    """The key ring's check, and one that leaks."""
    found: dict[tuple[str, int], list[float]] = {}
    store = SqliteStore(":memory:", Tenant())
    ring = KeyRing(store)
    for _ in range(KEYS):
        token = create(store, Kind.SERVER, "app", act("key.create")).token
        name, _, _ = ring.held(token)
        assert name is not None
        asyncio.run(ring.ask(name, token))
        head, secret = token[:-64], token[-64:]
        checks: dict[str, Callable[[str], object]] = {
            "the key ring": ring.held,
            "one that stops": partial(stops, token),
        }
        for shared in SHARED:
            wrong = "".join(chance.choice(DIGITS.replace(digit, "")) for digit in secret[:shared])
            pair = [guesses(head, begin, secret[63]) for begin in (secret[:shared], wrong)]
            for title, check in checks.items():
                found.setdefault((title, shared), []).append(difference(check, *pair))
    store.close()
    for (title, shared), differences in sorted(found.items()):
        t = fmean(differences) / (stdev(differences) / len(differences) ** 0.5)
        print(f"{title}: {shared} characters right cost {fmean(differences):+.0f} ns, t = {t:.1f}")


def stops(token: str, guess: str) -> bool:
    """A comparison that gives its prefix away."""
    return all(one == two for one, two in zip(guess, token, strict=True))


if __name__ == "__main__":
    {"revocation": revocation, "timing": timing}[sys.argv[1]]()
