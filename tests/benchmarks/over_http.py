"""Evaluations over HTTP on one CPU, beside a bare application, FastAPI with models, and the Unleash server.

    python tests/benchmarks/over_http.py [--rounds 5] [--seconds 3]

Every server has the last CPU and the load the first; the servers take turns, so that what else the machine does
meets all alike. `wrk` (Debian: apt install wrk) counts requests a second over 32 kept connections, and the kernel the
processor time that the server took for each. `paced.py` then asks at half of that rate. Last, what Mangum and all
behind it take for one event of API Gateway, in one process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import unleash_server
from benchmarks.engines import CACHE
from benchmarks.http_servers import CONTEXT, FLAGS
from benchmarks.machine import CPU
from benchmarks.paced import CONNECTIONS, paced

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
QUESTION = json.dumps({"context": CONTEXT})
OFREP = "/ofrep/v1/evaluate/flags"
USER = CONTEXT["targetingKey"]
QUERY = urlencode({name: value for name, value in CONTEXT.items() if name != "targetingKey"}, safe="@")
SERVER_CPU, LOAD_CPU = CPU, min(os.sched_getaffinity(0))
PACED_SECONDS = 10.0
# The page compares these: whose requests, and against which service.
RATIOS = {
    "one flag, of FastAPI's route with a response model": ("one", "fastapi-get"),
    "one flag, of FastAPI's route with models in and out": ("one", "fastapi-post"),
    "one flag, keys and limits, of Unleash's": ("one-keyed", "unleash-one"),
    "100 flags, keys and limits, of Unleash's": ("bulk-keyed", "unleash-bulk"),
    "one flag of a user, of one flag over OFREP": ("user-one", "one"),
    "100 flags of a user, of 100 flags over OFREP": ("user-bulk", "bulk"),
    "one flag with keys and limits, of without": ("one-keyed", "one"),
    "100 flags with keys and limits, of without": ("bulk-keyed", "bulk"),
}


class Asked(NamedTuple):
    """A request to a port, and the process that answers it."""

    title: str
    port: int
    process: int
    path: str
    body: str | None = None
    key: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Beside `Host` and `Content-Length`."""
        typed = {} if self.body is None else {"Content-Type": "application/json"}
        return typed if self.key is None else {**typed, "Authorization": self.key}

    @property
    def message(self) -> bytes:
        """The request as it goes over the wire."""
        fields = {"Host": f"127.0.0.1:{self.port}", **self.headers}
        if self.body is not None:
            fields["Content-Length"] = str(len(self.body))
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        start = f"{'GET' if self.body is None else 'POST'} {self.path} HTTP/1.1\r\n"
        return f"{start}{head}\r\n{self.body or ''}".encode()


class Load(NamedTuple):
    """Requests a second, and microseconds of the server's processor for each."""

    rate: float
    cpu: float


def measure(rounds: int = 5, seconds: int = 3, pace: float = PACED_SECONDS) -> dict[str, Any]:
    """All figures: by row, by ratio, and what is missing."""
    if shutil.which("wrk") is None:
        sys.exit("over_http: wrk is needed (Debian: apt install wrk)")
    before = os.sched_getaffinity(0)
    missing: dict[str, str] = {}
    with ExitStack() as stack:
        asked = dict(_ours(stack))
        try:
            rivals = stack.enter_context(unleash_server.unleash(CACHE, SERVER_CPU, (1, FLAGS)))
        except unleash_server.Absent as why:
            missing[f"Unleash server {unleash_server.VERSION}"] = str(why)
        else:
            for name, number in (("unleash-one", 1), ("unleash-bulk", FLAGS)):
                title, (port, process) = f"Unleash server, frontend API, {_flags(number)}", rivals[number]
                asked[name] = Asked(title, port, process, unleash_server.PATH, key=unleash_server.FRONTEND)
        os.sched_setaffinity(0, {LOAD_CPU})
        loads: dict[str, list[Load]] = {name: [] for name in asked}
        for turn in range(rounds + 1):
            for name, one in asked.items():
                load = _saturated(one, seconds if turn else 1)
                loads[name] += [load] if turn else []  # the first turn is for warming up
        measured = {name: _row(one, loads[name], pace) for name, one in asked.items()}
    os.sched_setaffinity(0, before)
    reported = {"rounds": rounds, "seconds": seconds, "pace": pace, "python": f"Python {platform.python_version()}"}
    reported |= {"rows": measured, "ratios": _ratios(loads), "mangum": _mangum(), "missing": missing}
    return reported


def _ours(stack: ExitStack) -> Iterator[tuple[str, Asked]]:
    constant, fastapi, service, keyed = (
        stack.enter_context(_server(name)) for name in ("constant", "fastapi", "open", "keyed")
    )
    yield "constant-get", Asked("bytes from a bare ASGI application, GET", *constant[:2], "/")
    yield "constant-post", Asked("the same, POST", *constant[:2], "/", QUESTION)
    yield "fastapi-get", Asked("FastAPI with a response model, GET", *fastapi[:2], "/flags/flag-0")
    yield "fastapi-post", Asked("FastAPI with models in and out, POST", *fastapi[:2], "/flags/flag-0", QUESTION)
    for name, title, path in (("one", _flags(1), f"{OFREP}/flag-0"), ("bulk", _flags(FLAGS), OFREP)):
        yield name, Asked(f"**burgee**, OFREP, {title}", *service[:2], path, QUESTION)
        guarded = f"**burgee**, OFREP, {title}, keys and limits"
        yield f"{name}-keyed", Asked(guarded, *keyed[:2], path, QUESTION, f"Bearer {keyed[2]}")
        target = f"/users/{USER}/flags{'/flag-0' if name == 'one' else ''}?{QUERY}"
        yield f"user-{name}", Asked(f"**burgee**, `/users`, {title}", *service[:2], target)
        yield (
            f"user-{name}-keyed",
            Asked(f"**burgee**, `/users`, {title}, keys and limits", *keyed[:2], target, key=f"Bearer {keyed[2]}"),
        )


def _flags(number: int) -> str:
    return "one flag" if number == 1 else f"{number} flags"


@contextmanager
def _server(name: str) -> Iterator[tuple[int, int, str]]:
    """Port, process and key of a server."""
    command = [sys.executable, str(HERE / "http_servers.py"), name, str(SERVER_CPU)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port, key = process.stdout.readline().split()
        yield int(port), process.pid, key
    finally:
        process.terminate()
        process.wait(30)


def _saturated(asked: Asked, seconds: int) -> Load:
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(f"wrk.method = {json.dumps('GET' if asked.body is None else 'POST')}\n")
        script.write("" if asked.body is None else f"wrk.body = {json.dumps(asked.body)}\n")
        script.writelines(
            f"wrk.headers[{json.dumps(name)}] = {json.dumps(one)}\n" for name, one in asked.headers.items()
        )
        script.flush()
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", script.name]
        before = _processor(asked.process)
        url = f"http://127.0.0.1:{asked.port}{asked.path}"
        ran = subprocess.run([*command, url], capture_output=True, text=True, check=True)
        spent = _processor(asked.process) - before
    assert "Non-2xx" not in ran.stdout, ran.stdout
    assert "Socket errors" not in ran.stdout, ran.stdout
    requests = re.search(r"(\d+) requests in", ran.stdout)
    rate = re.search(r"Requests/sec: +([\d.]+)", ran.stdout)
    assert requests is not None, ran.stdout
    assert rate is not None, ran.stdout
    return Load(float(rate[1]), spent / int(requests[1]) * 1e6)


def _processor(process: int) -> float:
    """Seconds of processor time of all threads."""
    tasks = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(task.read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9


def _row(asked: Asked, loads: list[Load], pace: float) -> dict[str, Any]:
    rate = median(load.rate for load in loads)
    took = paced(asked.port, asked.message, rate / 2, pace)
    cuts = quantiles(took, n=1000)
    return {
        "title": asked.title,
        "rate": round(rate),
        "rates": [round(load.rate) for load in loads],
        "cpu": round(median(load.cpu for load in loads), 1),
        "half": [round(cuts[at] * 1e3, 3) for at in (499, 989, 998)],
    }


def _ratios(loads: dict[str, list[Load]]) -> dict[str, dict[str, list[float]]]:
    """Of each round, because a round's turns are next to each other: the median, the lowest and the highest."""
    reported = {}
    for title, (ours, theirs) in RATIOS.items():
        if theirs in loads:
            pairs = list(zip(loads[ours], loads[theirs], strict=True))
            by_rate = [mine.rate / other.rate for mine, other in pairs]
            by_cpu = [other.cpu / mine.cpu for mine, other in pairs]
            reported[title] = {"rate": _spread(by_rate), "cpu": _spread(by_cpu)}
    return reported


def _spread(values: list[float]) -> list[float]:
    return [round(one, 2) for one in (median(values), min(values), max(values))]


def _mangum() -> dict[str, float]:
    """Microseconds of one event, in a process of its own on the same CPU as the servers."""
    command = [sys.executable, str(HERE / "mangum_path.py"), str(SERVER_CPU)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    reported: dict[str, float] = json.loads(ran.stdout)
    return reported


def rows(reported: dict[str, Any]) -> str:
    """What each row came to, as a table."""
    lines = ["| asked | requests/s | µs of processor | p50 ms | p99 ms | p99.9 ms |", "|---|---|---|---|---|---|"]
    for row in reported["rows"].values():
        half = " | ".join(f"{one:.2f}" for one in row["half"])
        lines.append(f"| {row['title']} | {row['rate']:,} | {row['cpu']:.0f} | {half} |")
    return "\n".join(lines)


def ratios(reported: dict[str, Any]) -> str:
    """The same, one against another."""
    lines = ["| times as many | by requests/s | by processor time |", "|---|---|---|"]
    for title, ratio in reported["ratios"].items():
        by = " | ".join("{:.2f} ({:.2f} to {:.2f})".format(*ratio[kind]) for kind in ("rate", "cpu"))
        lines.append(f"| {title} | {by} |")
    return "\n".join(lines)


def words(reported: dict[str, Any]) -> dict[str, object]:
    """What the page says of it."""
    missing = "".join(f"\nNot in the table: {name}: {why}.\n" for name, why in reported["missing"].items())
    kept = {name: reported[name] for name in ("rounds", "seconds", "pace", "python")}
    return {
        **{name: f"{value:g}" if isinstance(value, float) else value for name, value in kept.items()},
        "connections": CONNECTIONS,
        "unleash": unleash_server.VERSION,
        "rows": rows(reported),
        "ratios": ratios(reported),
        "missing": missing,
        "mangum": reported["mangum"]["burgee"],
        "empty": reported["mangum"]["empty"],
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--pace", type=float, default=PACED_SECONDS)
    reported = measure(**vars(parser.parse_args()))
    print(rows(reported), ratios(reported), reported["mangum"], reported["missing"], sep="\n\n")


if __name__ == "__main__":
    main()
