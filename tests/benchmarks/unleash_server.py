"""The Unleash server with flags of the same work as ours, for `over_http.py`.

The server comes from npm into the cache folder, its database from Debian's `postgresql`. Each number of flags has a
server and a database of its own, because a token of the frontend API sees a whole project.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from benchmarks.http_servers import CONTEXT, PLANS

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "8.2.0"
ADMIN = "*:*.burgee-bench-admin"
FRONTEND = "default:development.burgee-bench-frontend"
PATIENCE = 120.0
PATH = "/api/frontend?" + urlencode(
    [("userId" if name == "targetingKey" else f"properties[{name}]", value) for name, value in CONTEXT.items()]
)


class Absent(Exception):  # noqa: N818 - says what is not here
    """It cannot be run here, and why."""


class Running(NamedTuple):
    """A server that is up, and the process that answers."""

    port: int
    process: int


@contextmanager
def unleash(cache: Path, cpu: int, numbers: tuple[int, ...]) -> Iterator[dict[int, Running]]:
    """A server for each number of flags, all on one CPU; Absent where that cannot be."""
    programs = _postgres()
    entry = _installed(cache)
    with ExitStack() as stack:
        database = stack.enter_context(_database(programs, numbers))
        running = {one: stack.enter_context(_server(entry, f"{database}/flags{one}", cpu)) for one in numbers}
        for number, server in running.items():
            _fill(server.port, number)
        yield running


def _postgres() -> Path:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        raise Absent("needs PostgreSQL (Debian: apt install postgresql)")
    return folders[-1]


def _installed(cache: Path) -> Path:
    folder = cache / f"unleash-{VERSION}"
    entry = folder / "node_modules/unleash-server/dist/server.js"
    if not entry.exists():
        if shutil.which("npm") is None:
            raise Absent("needs Node with npm")
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"unleash-server@{VERSION}"]
        ran = subprocess.run([*command, "--prefix", str(folder)], capture_output=True, text=True, check=False)
        if ran.returncode != 0 or not entry.exists():
            raise Absent(f"npm cannot install it: {ran.stderr.strip()[:200]}")
    return entry


@contextmanager
def _database(programs: Path, numbers: tuple[int, ...]) -> Iterator[str]:
    """A cluster that goes with the measurement. As root, which PostgreSQL refuses, it runs as its own user."""
    folder = Path(tempfile.mkdtemp(prefix="burgee-postgres-"))
    root: dict[str, Any] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        root = {"user": "postgres", "group": "postgres", "extra_groups": []}
    port, data = _free_port(), folder / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **root}
    subprocess.run([programs / "initdb", "-D", data, "-U", "unleash", "-A", "trust", "-N"], check=True, **quiet)
    options = ["-D", str(data), "-k", str(folder), "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen([str(programs / "postgres"), *options], **quiet)
    try:
        asked = [str(programs / "psql"), "-h", str(folder), "-p", str(port), "-U", "unleash", "-d", "postgres", "-c"]
        _until(lambda: subprocess.run([*asked, "SELECT 1"], check=False, **quiet).returncode == 0, "PostgreSQL")
        for number in numbers:
            subprocess.run([*asked, f"CREATE DATABASE flags{number}"], check=True, **quiet)
        yield f"postgres://unleash@127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _server(entry: Path, database: str, cpu: int) -> Iterator[Running]:
    port = _free_port()
    environment = {
        **os.environ,
        "NODE_ENV": "production",
        "DATABASE_URL": database,
        "DATABASE_SSL": "false",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_PORT": str(port),
        "LOG_LEVEL": "fatal",
        "CHECK_VERSION": "false",
        "SEND_TELEMETRY": "false",
        "INIT_ADMIN_API_TOKENS": ADMIN,
        "INIT_FRONTEND_API_TOKENS": FRONTEND,
    }
    process = subprocess.Popen(
        ["node", str(entry)],
        env=environment,
        cwd=entry.parents[1],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),  # noqa: PLW1509 - no thread of ours runs yet
    )
    try:
        _until(lambda: process.poll() is not None or _asked(port, "GET", "/health")[0] == 200, "the Unleash server")
        if process.poll() is not None:
            raise Absent("its server ended as it started")
        yield Running(port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def _fill(port: int, number: int) -> None:
    """Flags like those of `http_servers.flags`; then the answer that the measurement will get."""
    for at in range(number):
        name = f"flag-{at}"
        _made(port, "/api/admin/projects/default/features", {"name": name, "type": "release"})
        place = f"/api/admin/projects/default/features/{name}/environments/development"
        for strategy in [_rollout(name, 50)] if at % 2 else _ruled(name):
            _made(port, f"{place}/strategies", strategy)
        _made(port, f"{place}/on", {})
    wanted = {f"flag-{at}" for at in range(0, number, 2)}
    _until(lambda: wanted <= _enabled(port), "the flags")


def _enabled(port: int) -> set[str]:
    status, body = _asked(port, "GET", PATH, token=FRONTEND)
    return {toggle["name"] for toggle in json.loads(body)["toggles"]} if status == 200 else set()


def _rollout(flag: str, percentage: int, **more: Any) -> dict[str, Any]:
    parameters = {"rollout": str(percentage), "stickiness": "userId", "groupId": flag}
    return {"name": "flexibleRollout", "parameters": parameters, **more}


def _ruled(flag: str) -> list[dict[str, Any]]:
    constraints: list[dict[str, Any]] = [
        {"contextName": "country", "operator": "IN", "values": ["XX"]},
        {"contextName": "plan", "operator": "IN", "values": PLANS},
        {"contextName": "app_version", "operator": "SEMVER_GT", "value": "9.0.0"},
        {"contextName": "age", "operator": "NUM_GTE", "value": "99"},
        {"contextName": "email", "operator": "STR_STARTS_WITH", "values": ["user-"]},
    ]
    shares = {"A": 334, "B": 333, "C": 333}
    arms = [
        {
            "name": value.lower(),
            "weight": weight,
            "weightType": "variable",
            "stickiness": "userId",
            "payload": {"type": "string", "value": value},
        }
        for value, weight in shares.items()
    ]
    rules = [_rollout(flag, 100, constraints=[constraint]) for constraint in constraints]
    rules[-1]["variants"] = arms
    return rules


def _made(port: int, path: str, body: dict[str, Any]) -> None:
    status, reported = _asked(port, "POST", path, body)
    if status not in {200, 201}:
        raise Absent(f"its server answers {status} to {path}: {reported[:200].decode()}")


def _asked(port: int, method: str, path: str, body: Any = None, token: str = ADMIN) -> tuple[int, bytes]:
    headers = {"Authorization": token, "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def _until(holds: Any, what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise Absent(f"{what} did not come up in {PATIENCE:g} s")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
