"""Measures cold starts under AWS's runtime interface client, this project's evaluation function beside others.

    python tests/benchmarks/cold_start.py [RUNS]

A small server plays Lambda's runtime API, so the client is real: init is the time from starting the process until
the client asks for its first event, the first answer that from handing out an event until the answer has come
back. Functions take turns on one pinned CPU, with byte code and without; `cpu` is the init's processor time, which
neighbours on the machine disturb less. The packages are what pip installs for Python 3.13, boto3 among them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from burgee.bundle import Bundle, dump_bundle
from burgee.compile import compile_file
from burgee.deploy import apply
from burgee.overrides import Act
from burgee.stores import Origin
from burgee.stores.dynamodb import DynamoDbStore
from support_build import python_3_13
from support_dynamodb import CREDENTIALS, ministack

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CACHE = Path(os.environ.get("BURGEE_BENCH_CACHE", ROOT / "build/bench"))
EVENT = (ROOT / "tests/events/http-api-user-flag.json").read_bytes()
WARM = 50


class RuntimeApi(ThreadingHTTPServer):
    """Lambda's runtime API for one process: hands out `WARM` events, and notes when."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.first: float | None = None
        self.process = 0
        self.cpu = 0.0
        self.given = 0.0
        self.times: list[float] = []
        self.answers: list[bytes] = []
        self.done = Event()


class Handler(BaseHTTPRequestHandler):
    """The two routes that the client uses."""

    server: RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """GET /2018-06-01/runtime/invocation/next"""
        now = time.perf_counter()
        if self.server.first is None:
            self.server.first = now
            with suppress(OSError):
                tasks = Path(f"/proc/{self.server.process}/task").glob("*/schedstat")
                self.server.cpu = sum(int(task.read_text().split()[0]) for task in tasks) / 1e6
        if len(self.server.times) >= WARM:
            self.server.done.set()
            time.sleep(60)
            return
        self.send_response(200)
        self.send_header("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000000")
        self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:123456789012:function:f")
        self.send_header("Lambda-Runtime-Deadline-Ms", str(int(time.time() * 1000) + 10_000))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(EVENT)))
        self.end_headers()
        self.server.given = time.perf_counter()
        self.wfile.write(EVENT)

    def do_POST(self) -> None:
        """POST /2018-06-01/runtime/invocation/{id}/response, or an error"""
        self.server.times.append(time.perf_counter() - self.server.given)
        self.server.answers.append(self.rfile.read(int(self.headers["Content-Length"])))
        if "error" in self.path:
            self.server.done.set()
        self.send_response(202)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Says nothing."""


class Run(NamedTuple):
    """Milliseconds of one process, and the MiB that it held at the end."""

    init: float
    cpu: float
    first: float
    warm: float
    memory: float


class Case(NamedTuple):
    """A function: its handler, the environment that it is given, and whether it brings a release."""

    name: str
    handler: str
    table: bool = False


CASES = [
    Case("a function of nothing", "bare.handler"),
    Case("Starlette and Mangum, empty", "starlette_alone.handler"),
    Case("burgee, bundled release", "evaluate.handler"),
    Case("burgee, table read at init", "evaluate.handler", table=True),
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


def code(python: str, folder: Path, *, compiled: bool) -> Path:
    """The handlers' folder as it is deployed, with the release of the example file."""
    target = folder / ("compiled" if compiled else "plain")
    shutil.copytree(ROOT / "functions", target, ignore=shutil.ignore_patterns("__pycache__", "release.json"))
    shutil.copytree(HERE / "handlers", target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (target / "release.json").write_bytes(dump_bundle(Bundle(compile_file(ROOT / "flags.yaml"), Origin("abc123"))))
    if compiled:
        _compile(python, target)
    return target


def run(case: Case, python: str, folder: Path, libraries: Path, url: str) -> Run:
    """One cold start, and some warm answers."""
    api = RuntimeApi()
    Thread(target=api.serve_forever, daemon=True).start()
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(libraries),
        "PYTHONDONTWRITEBYTECODE": "1",
        "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{api.server_port}",
        **CREDENTIALS,
    }
    if case.table:
        environment |= {"BURGEE_TABLE": "flags", "AWS_ENDPOINT_URL": url}
    pin = ["taskset", "-c", str(max(os.sched_getaffinity(0)))] if shutil.which("taskset") else []
    command = [*pin, python, "-m", "awslambdaric", case.handler]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL) as process:
        api.process = process.pid
        assert api.done.wait(60), "the client asked for nothing"
        held = _status(process.pid)
        process.kill()
    api.shutdown()
    assert api.first is not None
    assert json.loads(api.answers[0])["statusCode"] == 200, api.answers[0]
    warm = median(api.times[5:]) * 1000
    return Run((api.first - started) * 1000, api.cpu, api.times[0] * 1000, warm, held)


def _status(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def measure(runs: int) -> dict[str, dict[str, Run]]:
    """Medians by case, with byte code and without."""
    python = python_3_13()
    assert python is not None, "cold starts are measured with Python 3.13, which is Lambda's"
    found: dict[str, dict[str, list[Run]]] = {}
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory() as name, ministack(Path(name)) as url:
        store = DynamoDbStore("flags", endpoint_url=url)
        store.create_table()
        act = Act("release.activate", "bench", "", time.time())
        apply(store, compile_file(ROOT / "flags.yaml"), Origin(), act)
        store.close()
        for compiled in (True, False):
            libraries = packages(python, compiled=compiled)
            folder = code(python, Path(name), compiled=compiled)
            of = found.setdefault("byte code" if compiled else "no byte code", {})
            for _ in range(runs):
                for case in CASES:
                    of.setdefault(case.name, []).append(run(case, python, folder, libraries, url))
    return {
        kind: {case: Run(*map(median, zip(*runs_, strict=True))) for case, runs_ in of.items()}
        for kind, of in found.items()
    }


def table(found: dict[str, dict[str, Run]]) -> str:
    """The figures in Markdown; `share` is of the usual stack in the same run."""
    lines = []
    for kind, cases in found.items():
        usual = cases[CASES[-1].name]
        lines += [
            f"| with {kind} | init ms | share | cpu ms | first answer ms | warm ms | MiB |".replace("with no", "no")
        ]
        lines += ["|---|---|---|---|---|---|---|"]
        for name, one in cases.items():
            figures = [f"{one.init:.0f}", f"{one.init / usual.init:.2f}", f"{one.cpu:.0f}", f"{one.first:.1f}"]
            lines += [f"| {name} | {' | '.join([*figures, f'{one.warm:.2f}', f'{one.memory:.0f}'])} |"]
        lines += [""]
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    print(table(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 10)))


if __name__ == "__main__":
    main()
