"""Prints what paying callers see while strangers flood `burgee serve`, and what the server holds by then.

    python tests/benchmarks/flood.py [SECONDS OF FLOOD, default 120] [REQUESTS A SECOND, default 100]

The load of callers with keys is open: a request is sent when it is due, whatever happens to others, and its time
counts from then. A sixth of the time they are alone (calm), then come, all at once and from processes of their own:

    wrong keys         keys that nobody made, each new
    bodies             half of an event body, megabytes in all, and then nothing more
    heads              header fields without end
    unread             requests without end, whose answers nobody reads
    idempotency keys   on routes that take no body, and on those that do, without a key
    dry runs           of a flag whose effect takes minutes, by someone who may

Failures are answers that are not the flag's; memory is the server's resident size, disk what its folder holds.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from itertools import count
from multiprocessing import Process, Queue
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.machine import resident
from burgee.access.keys import Kind, create
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from support.keys import ALL
from support.lambda_runtime import free_port
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

FLAGS = "version: 1\nflags:\n  half: {status: on, rollout_percentage: 50, client: true}\n  big: {status: on}\n"
CONNECTIONS = 32
"""Of the paying callers."""
HALF_SENT = 100
CONTEXT = json.dumps({"context": {"targetingKey": "user-1", "country": "DE"}}).encode()


def request(method: str, target: str, body: bytes = b"", **fields: str) -> bytes:
    """A request as it is sent."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection:
    """One kept connection, which is made again when it breaks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, message: bytes) -> tuple[int, bytes]:
        """The status and the body of an answer."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            self._writer.write(message)
            head = await self._reader.readuntil(b"\r\n\r\n")
            lengths = [
                line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            ]
            body = await self._reader.readexactly(int(lengths[0]) if lengths else 0)
        except BaseException:
            self.close()
            raise
        if b"connection: close" in head.lower():
            self.close()
        return int(head.split(b" ", 2)[1]), body

    def close(self) -> None:
        """Gives the connection up."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


class Paying:
    """An open load of callers with keys: the seconds of each answer, and those that were wrong."""

    def __init__(self, port: int, keys: list[str], rate: float) -> None:
        self.free = [Connection(port) for _ in range(CONNECTIONS)]
        self.keys = keys
        self.rate = rate
        self.took: list[float] = []
        self.failures: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Sends for so long, and waits for the last answers."""
        tasks = set()
        start = time.perf_counter()
        for number in range(int(self.rate * seconds)):
            due = start + number / self.rate
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            task = asyncio.create_task(self._one(number, due))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def _one(self, number: int, due: float) -> None:
        while not self.free:
            await asyncio.sleep(0.001)
        connection = self.free.pop(0)  # the one that rested longest, before the server closes it as idle
        key = self.keys[number % len(self.keys)]
        if number % 2:
            message = request("GET", "/users/user-1/flags/half?country=DE", X_API_Key=key)
        else:
            message = request("POST", "/ofrep/v1/evaluate/flags/half", CONTEXT, X_API_Key=key)
        try:
            status, body = await connection.ask(message)
            if status != 200 or json.loads(body)["value"] not in {True, False}:
                self.failures[f"{status} {body[:80]!r}"] += 1
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.failures[type(error).__name__] += 1
        self.took.append(time.perf_counter() - due)
        self.free.append(connection)

    def report(self, named: str) -> str:
        """One line."""
        cuts = quantiles(self.took, n=1000)
        milliseconds = ", ".join(
            f"p{name} {cuts[at] * 1000:.1f}" for name, at in (("50", 499), ("99", 989), ("99.9", 998))
        )
        return f"{named:6} {len(self.took):,} answers, {self.failures.total()} failed, ms {milliseconds}"


async def repeat(port: int, rate: float, seen: Counter[str], named: str, messages: Iterator[bytes]) -> None:
    """Sends one request after another, each on a new connection, at most so many a second."""
    while True:
        started = time.perf_counter()
        connection = Connection(port)
        try:
            status, _ = await asyncio.wait_for(connection.ask(next(messages)), 30)
            seen[f"{named} {status}"] += 1
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            seen[f"{named} {type(error).__name__}"] += 1
        connection.close()
        await asyncio.sleep(max(1 / rate - (time.perf_counter() - started), 0))


async def half_sent(port: int, key: str, seen: Counter[str]) -> None:
    """Announces an event body of a megabyte, sends nine tenths of it, and waits."""
    head = request("POST", "/v1/events", X_API_Key=key).replace(b"Content-Length: 0", b"Content-Length: 1000000")
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + b" " * 900_000)
            line = await asyncio.wait_for(reader.readline(), 60)
            seen[f"bodies {line.split(b' ')[1].decode() if line else 'closed'}"] += 1
        except (OSError, TimeoutError) as error:
            seen[f"bodies {type(error).__name__}"] += 1
        else:
            writer.close()
        await asyncio.sleep(1)


async def endless_head(port: int, seen: Counter[str]) -> None:
    """Sends header fields until the server has enough."""
    while True:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
            for number in range(10_000):
                writer.write(b"X-Field-%d: %b\r\n" % (number, b"y" * 1000))
                await writer.drain()
            seen["heads held"] += 1
            await reader.read(100)
        except OSError:
            seen["heads closed"] += 1
        with suppress(UnboundLocalError):
            writer.close()
        await asyncio.sleep(0.2)


async def unread(port: int, seen: Counter[str]) -> None:
    """Sends requests until the server has enough, and reads nothing."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
            while True:
                writer.write(request("GET", "/flags") * 100)
                await writer.drain()
        except OSError as error:
            seen[f"unread {type(error).__name__}"] += 1
        with suppress(UnboundLocalError):
            writer.close()
        await asyncio.sleep(0.2)


def wrong_keys(key: str) -> Iterator[bytes]:
    """Requests with keys that nobody made."""
    identity = key.split("_")[3]
    while True:
        yield request("GET", "/users/u/flags", X_API_Key=key.replace(identity, f"{random.getrandbits(64):016x}"))


def idempotency_keys() -> Iterator[bytes]:
    """Writes without a key, which ask to be remembered."""
    for number in count():
        target = ("/health", "/docs", "/flags", "/nowhere")[number % 4]
        yield request(
            "POST", target, b'{"flag_name": "x", "pad": "%b"}' % (b"z" * 10_000), Idempotency_Key=str(number)
        )


def dry_runs(key: str) -> Iterator[bytes]:
    """Dry runs that take minutes."""
    rules = [{"when": {f"x{n}": {"gte": n}}, "rollout_percentage": n % 100} for n in range(300)]
    body = json.dumps({"rules": rules, "default": {"serve": "off"}, "reason": "flood"}).encode()
    while True:
        yield request("PUT", "/flags/big?dry_run=true", body, X_API_Key=key, Content_Type="application/json")


def flood(make: Callable[[Counter[str]], list[Awaitable[None]]], seconds: float, reported: Queue[Any]) -> None:
    """One process of strangers."""
    seen: Counter[str] = Counter()

    async def run() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*make(seen))

    asyncio.run(run())
    reported.put(dict(seen))


def strangers(port: int, client: str, admin: str) -> list[Callable[[Counter[str]], list[Awaitable[None]]]]:
    """What each process of strangers does."""
    return [
        lambda seen: [repeat(port, 50, seen, "wrong keys", wrong_keys(client)) for _ in range(4)],
        lambda seen: [half_sent(port, client, seen) for _ in range(HALF_SENT)],
        lambda seen: [
            *(endless_head(port, seen) for _ in range(4)),
            *(unread(port, seen) for _ in range(20)),
            repeat(port, 50, seen, "idempotency keys", idempotency_keys()),
            *(repeat(port, 2, seen, "dry runs", dry_runs(admin)) for _ in range(3)),
        ],
    ]


def disk(folder: Path) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """A server that asks for keys, once it answers."""
    command = [sys.executable, "-c", "from burgee.cli import main; main()", "serve", "--require-keys"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "functions")}
    log = (folder / "serve.log").open("wb")
    server = subprocess.Popen([*command, "--port", str(port)], cwd=folder, env=environment, stdout=log, stderr=log)

    def answers() -> bool:
        with suppress(OSError):
            return asyncio.run(Connection(port).ask(request("GET", "/health")))[0] == 200
        return False

    eventually(answers, lambda: (folder / "serve.log").read_text(encoding="utf-8"))
    return server


def main() -> None:
    """Measures and prints."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 120.0
    rate = float(sys.argv[2]) if len(sys.argv) > 2 else 100.0
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "flags.yaml").write_text(FLAGS, encoding="utf-8")
        (folder / ".burgee").mkdir()
        store = SqliteStore(folder / ".burgee/state.sqlite")
        act = AuditContext("key.create", "flood", "flood", time.time())
        keys = [create(store, Kind.SERVER, f"app {number}", act).token for number in range(20)]
        client, admin = create(store, Kind.CLIENT, "page", act).token, create(store, Kind.ADMIN, "ci", act, ALL).token
        store.close()
        server = serve(folder, port)
        try:
            calm = Paying(port, keys, rate)
            asyncio.run(calm.run(seconds / 6))
            print(calm.report("calm"), flush=True)
            sizes = [(resident(server.pid), disk(folder))]
            reported: Queue[Any] = Queue()
            processes = [
                Process(target=flood, args=(one, seconds, reported), daemon=True)
                for one in strangers(port, client, admin)
            ]
            for process in processes:
                process.start()
            flooded = Paying(port, keys, rate)
            for _ in range(6):
                asyncio.run(flooded.run(seconds / 6))
                flooded.free = [Connection(port) for _ in range(CONNECTIONS)]
                sizes.append((resident(server.pid), disk(folder)))
            print(flooded.report("flood"))
            print("failures", dict(flooded.failures), flush=True)
            seen: Counter[str] = Counter()
            for _ in processes:
                seen.update(reported.get(timeout=60))
            print("strangers", ", ".join(f"{number:,} {what}" for what, number in sorted(seen.items())))
            print("memory MiB", " ".join(f"{memory:.0f}" for memory, _ in sizes))
            print("disk KB", " ".join(f"{size / 1e3:.0f}" for _, size in sizes))
        finally:
            server.terminate()
            server.wait(20)


if __name__ == "__main__":
    main()
