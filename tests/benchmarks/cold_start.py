"""Measures cold starts under AWS's runtime interface client, this project's evaluation function beside others.

    python tests/benchmarks/cold_start.py [RUNS]

A small server plays Lambda's runtime API, so the client is real. Functions take turns on one pinned CPU, in an order
that moves by one each round, with byte code and without; a first round fills the disk's cache and is not counted.
`cpu` is the init's processor time, which neighbours on the machine disturb less. The packages are what pip installs
for Python 3.13, boto3 among them.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from benchmarks import work
from benchmarks.machine import figure, step_aside
from benchmarks.rivals import burgee
from benchmarks.runtime_api import Served, serve
from burgee.access.keys import Kind, create
from burgee.flagfile.compile import compile_file
from burgee.releases.deploy import apply
from burgee.serving.bundle import Bundle, dump_bundle
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from support.build import python_3_13
from support.certificates import authority
from support.dynamodb import CREDENTIALS, ministack

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("BURGEE_BENCH_CACHE", ROOT / "build/bench"))
EVENT: dict[str, Any] = json.loads((ROOT / "tests/events/http-api-user-flag.json").read_bytes())
WARM = 50
FLAGS = 1_000
BUNDLED, MANY = "burgee, bundled release", f"burgee, {FLAGS:,} flags bundled"
TABLE, SECURE = "burgee, table read at init", "burgee, table read over https"


class Case(NamedTuple):
    """A function, and how many times a bare function's processor time its init may take."""

    name: str
    handler: str
    release: str | None = None
    target: float | None = None


CASES = [
    Case("a function of nothing", "bare.handler"),
    Case("Starlette and Mangum, empty", "starlette_alone.handler"),
    Case("Mangum and the engine, no routes", "engine_alone.handler"),
    Case(BUNDLED, "burgee.handlers.evaluate.handler", release="0", target=2.4),
    Case(MANY, "burgee.handlers.evaluate.handler", release="0", target=2.6),
    Case(TABLE, "burgee.handlers.evaluate.handler", release="1", target=3.0),
    Case(SECURE, "burgee.handlers.evaluate.handler", release="1", target=3.0),
    Case("FastAPI, Mangum, boto3 at import", "usual.handler"),
]


def packages(python: str, *, compiled: bool) -> Path:
    """What `pip install --target` makes, once; with byte code or without any."""
    folder = CACHE / ("cold-compiled" if compiled else "cold-plain")
    wanted = (ROOT / "functions/requirements.txt").read_text(encoding="utf-8")
    mark = folder / "installed"
    if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, "-m", "uv", "pip", "install", "-q", "--python", python, "--target", str(folder)]
        command += ["--link-mode=copy", "-r", str(ROOT / "functions/requirements.txt"), "boto3", "awslambdaric"]
        subprocess.run(command, check=True)
        if compiled:
            _compile(python, folder)
        mark.write_text(wanted, encoding="utf-8")
    return folder


def _compile(python: str, folder: Path) -> None:
    command = [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
    subprocess.run(command, check=True)


def code(python: str, folder: Path, release: bytes, *, compiled: bool) -> Path:
    """The handlers' folder as it is deployed, with a release."""
    folder.mkdir()
    shutil.copytree(
        ROOT / "functions",
        folder,
        ignore=shutil.ignore_patterns("__pycache__", "release.json"),
        dirs_exist_ok=True,
    )
    shutil.copytree(HERE / "handlers", folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "release.json").write_bytes(release)
    if compiled:
        _compile(python, folder)
    return folder


def run(case: Case, python: str, folder: Path, environment: dict[str, str], key: str) -> Served:
    """One cold start, and some warm answers, which are of the release that the case is about."""
    event = EVENT if not key else {**EVENT, "headers": {**EVENT["headers"], "authorization": f"Bearer {key}"}}
    if case.name == MANY:
        path = "/users/user-1/flags/flag-1"
        context = EVENT["requestContext"]
        event = {**EVENT, "rawPath": path, "requestContext": {**context, "http": {**context["http"], "path": path}}}
    served = serve(python, case.handler, folder, environment, [json.dumps(event).encode()] * WARM)
    if case.release is not None:
        versions = {answer["headers"]["burgee-release"] for answer in served.answers}
        assert versions == {case.release}, f"{case.name} serves release {versions}"
    return served


def measure(python: str, starts: int) -> dict[str, Any]:
    """Figures by case, with byte code and without."""
    rounds: dict[str, dict[str, list[Served]]] = {}
    release = dump_bundle(Bundle(compile_file(ROOT / "flags.yaml"), Origin("abc123")))
    many = dump_bundle(Bundle(json.loads(burgee.document(work.many(FLAGS))), Origin("abc123")))
    with tempfile.TemporaryDirectory() as name, ministack(Path(name)) as url, secure(Path(name), url) as tls:
        key = _deployed(url)
        for kind, compiled in (("byte code", True), ("no byte code", False)):
            environment = {"PYTHONPATH": str(packages(python, compiled=compiled)), **CREDENTIALS}
            with_table = {**environment, "BURGEE_TABLE": "flags", "AWS_ENDPOINT_URL": url}
            environments = {TABLE: with_table, SECURE: {**with_table, **tls}}
            folder = code(python, Path(name) / kind.replace(" ", "-"), release, compiled=compiled)
            larger = code(python, Path(name) / f"{kind.replace(' ', '-')}-many", many, compiled=compiled)
            of = rounds.setdefault(kind, {case.name: [] for case in CASES})
            for turn in range(starts + 1):
                first = turn % len(CASES)
                for case in CASES[first:] + CASES[:first]:
                    where = larger if case.name == MANY else folder
                    table = case.name in environments
                    reported = run(
                        case, python, where, environments.get(case.name, environment), key if table else ""
                    )
                    of[case.name] += [reported] if turn else []
    cases = {kind: _figures(of) for kind, of in rounds.items()}
    return {"starts": starts, "cases": cases, "memory": memory(python), "imports": imports(python)}


@contextmanager
def secure(folder: Path, url: str) -> Iterator[dict[str, str]]:
    """The table over https; the environment that says where, with the test's authority among the system's.

    It is named like those of AWS's own services.
    """
    made = authority(folder, "Amazon Root CA")
    system = ssl.get_default_verify_paths().cafile
    bundle = folder / "authorities.pem"
    bundle.write_bytes(made.bundle.read_bytes() + (Path(system).read_bytes() if system else b""))
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=_accept, args=(listening, made.server, (host, int(port))), daemon=True).start()
        endpoint = f"https://127.0.0.1:{listening.getsockname()[1]}"
        yield {"AWS_ENDPOINT_URL": endpoint, "SSL_CERT_FILE": str(bundle)}


def _accept(listening: socket.socket, context: ssl.SSLContext, behind: tuple[str, int]) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:
            return
        with suppress(OSError):
            asking, answering = context.wrap_socket(plain, server_side=True), socket.create_connection(behind)
            for one in (asking, answering):  # otherwise each request, in two parts, waits 40 ms to be acknowledged
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, target in ((asking, answering), (answering, asking)):
                Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError), source, target:
        while data := source.recv(65536):
            target.sendall(data)


def _deployed(url: str) -> str:
    """A table with the example's flags, and a server's key to it."""
    with patch.dict(os.environ, CREDENTIALS):
        store = DynamoDbStore("flags", endpoint_url=url)
        store.create_table()
        act = AuditContext("release.activate", "bench", "", time.time())
        apply(store, compile_file(ROOT / "flags.yaml"), Origin(), act)
        key = create(store, Kind.SERVER, "bench", AuditContext("key.create", "bench", "", time.time())).token
        store.close()
    return key


def _figures(of: dict[str, list[Served]]) -> dict[str, Any]:
    bare = of[CASES[0].name]
    return {
        name: {
            "init": figure([one.init for one in runs]),
            "cpu": figure([one.cpu for one in runs]),
            "times": figure([one.cpu / other.cpu for one, other in zip(runs, bare, strict=True)]),
            "least": figure([min(one.cpu for one in runs) / min(one.cpu for one in bare)]),
            "first": figure([one.times[0] for one in runs]),
            "warm": figure([median(one.times[5:]) for one in runs]),
            "memory": figure([one.after for one in runs]),
        }
        for name, runs in of.items()
    }


def memory(python: str) -> dict[str, float]:
    """MiB of the evaluation function with many flags bundled, before and after each was asked for once."""
    names = list(work.many(FLAGS))
    paths = [f"/users/user-1/flags/{name}" for name in names]
    context = EVENT["requestContext"]
    events = [
        {**EVENT, "rawPath": path, "requestContext": {**context, "http": {**context["http"], "path": path}}}
        for path in paths
    ]
    release = dump_bundle(Bundle(json.loads(burgee.document(work.many(FLAGS))), Origin("abc123")))
    with tempfile.TemporaryDirectory() as name:
        folder = code(python, Path(name) / "code", release, compiled=True)
        environment = {"PYTHONPATH": str(packages(python, compiled=True))}
        empty = dump_bundle(Bundle(compile_file(ROOT / "flags.yaml"), Origin("abc123")))
        reported = serve(
            python,
            "burgee.handlers.evaluate.handler",
            folder,
            environment,
            [json.dumps(one).encode() for one in events],
        )
        (folder / "release.json").write_bytes(empty)
        few = serve(python, "burgee.handlers.evaluate.handler", folder, environment, [json.dumps(EVENT).encode()])
    asked = [json.loads(answer["body"])["flag_name"] for answer in reported.answers]
    assert asked == names, "the function answered other flags than it was asked for"
    return {"flags": FLAGS, "few": few.before, "before": reported.before, "after": reported.after}


def imports(python: str) -> list[list[Any]]:
    """Where the import of the evaluation function goes: milliseconds by package, the largest first."""
    ran = subprocess.run(
        [python, "-X", "importtime", "-c", "import burgee.handlers.evaluate"],
        cwd=ROOT / "functions",
        env={"PYTHONPATH": str(packages(python, compiled=True))},
        capture_output=True,
        text=True,
        check=True,
    )
    sums: dict[str, float] = {}
    for line in ran.stderr.splitlines():
        _, _, figures = line.partition("import time:")
        own, _, name = figures.partition("|")
        if own.strip().isdigit():
            top = name.rpartition("|")[2].strip().partition(".")[0]
            top = top if top in {"burgee", "starlette", "mangum", "anyio", "asyncio"} else "the rest of Python"
            sums[top] = sums.get(top, 0) + int(own) / 1000
    return sorted(([name, round(one, 1)] for name, one in sums.items()), key=lambda pair: -float(pair[1]))


def words(reported: dict[str, Any]) -> dict[str, object]:
    """What the page says."""
    held = {name: f"{mib:,.0f}" for name, mib in reported["memory"].items()}
    imported = "\n".join(f"| {name} | {one} |" for name, one in reported["imports"])
    return {"starts": reported["starts"], "table": table(reported), "imports": imported, "memory": held}


def table(reported: dict[str, Any]) -> str:
    """The figures in Markdown; `times bare` compares processor times of one round, and the least of all rounds."""
    lines = []
    targets = {case.name: case.target for case in CASES}
    for kind, cases in reported["cases"].items():
        head = f"| {'with ' if kind == 'byte code' else ''}{kind} | init ms | cpu ms | times bare | of the least"
        lines += [f"{head} | target | first answer ms | warm ms | MiB |", "|---" * 9 + "|"]
        for name, one in cases.items():
            middle = {row: figures[0] for row, figures in one.items()}
            _, low, high = one["init"]
            cells = [f"{middle['init']:.0f} ({low:.0f} to {high:.0f})", f"{middle['cpu']:.0f}"]
            cells += [f"{middle['times']:.2f}", f"{middle['least']:.2f}"]
            cells += [f"{targets[name]:.1f}" if targets[name] else ""]
            cells += [f"{middle['first']:.1f}", f"{middle['warm']:.2f}", f"{middle['memory']:.0f}"]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines += [""]
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    python = python_3_13()
    assert python is not None, "cold starts are measured with Python 3.13, which is Lambda's"
    step_aside()
    print(table(measure(python, int(sys.argv[1]) if len(sys.argv) > 1 else 10)))


if __name__ == "__main__":
    main()
