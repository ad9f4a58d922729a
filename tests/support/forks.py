"""Commands as processes of their own that need not start an interpreter and import Burgee first.

One process imports what a command does and then waits. Each command is a fork of it, with a folder, an environment,
arguments and output of its own. What the start of an interpreter does is not seen here.
"""

from __future__ import annotations

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from struct import Struct
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MODULES = (
    "burgee.cli.app",
    "burgee.cli.commands.local",
    "burgee.cli.recording",
    "burgee.cli.serve",
    "burgee.web.app",
    "burgee.web.connections",
    "uvicorn.lifespan.off",
    "uvicorn.loops.auto",
    "uvicorn.middleware.proxy_headers",
    "uvicorn.supervisors",
)
NUMBER = Struct("i")
ROOT = Path(__file__).parents[2]
PATH = os.pathsep.join(str(ROOT / name) for name in ("functions", "tests"))


class Process:
    """A command that was started, as `subprocess.Popen` has it."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self.pid = self._read()
        self.returncode: int | None = None

    def _read(self) -> int:
        read = self._line.recv(NUMBER.size, socket.MSG_WAITALL)
        assert read, "the process that starts others has ended"
        number: int = NUMBER.unpack(read)[0]
        return number

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        """Its exit code, awaited for some seconds."""
        found = self._ended(timeout)
        if found is None:
            raise subprocess.TimeoutExpired("burgee", timeout)
        return found

    def _ended(self, timeout: float) -> int | None:
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = self._read()
            except (BlockingIOError, TimeoutError):
                return None
            self._line.close()
        return self.returncode

    def terminate(self) -> None:
        """Asks it to end."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGTERM)


def start(arguments: list[str], folder: Path, environment: Mapping[str, str], output: IO[Any]) -> Process:
    """`burgee` with these arguments, both of whose outputs go to one file."""
    line, other = socket.socketpair()
    request = {"arguments": ["burgee", *arguments], "folder": str(folder), "environment": dict(environment)}
    with other:
        socket.send_fds(_forking(), [b"."], [other.fileno(), output.fileno()])
    line.sendall(json.dumps(request).encode())
    line.shutdown(socket.SHUT_WR)
    return Process(line)


@cache
def _forking() -> socket.socket:
    """The line to the process that forks, which ends with this one."""
    line, other = socket.socketpair()
    environment = {**os.environ, "PYTHONPATH": PATH}
    command = [sys.executable, "-c", "from support.forks import serve; serve()", str(other.fileno())]
    process = subprocess.Popen(
        command,
        env=environment,
        pass_fds=[other.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    other.close()

    def end() -> None:
        line.close()
        process.wait()

    atexit.register(end)
    return line


def serve() -> None:
    """The process that forks: for each request a child, which starts the command and reports its end."""
    for name in MODULES:
        import_module(name)
    line = socket.socket(fileno=int(sys.argv[1]))
    while True:
        message, descriptors, _, _ = socket.recv_fds(line, 1, 2)
        if not message:
            break
        if os.fork() == 0:
            line.close()
            _keep(socket.socket(fileno=descriptors[0]), descriptors[1])
            return
        for descriptor in descriptors:
            os.close(descriptor)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _keep(line: socket.socket, output: int) -> None:
    """Starts a command as a child, sends its process id, and its exit code when it has ended."""
    request = json.loads(b"".join(iter(lambda: line.recv(65536), b"")))
    pid = os.fork()
    if pid == 0:
        line.close()
        _become(request, output)
        return
    line.sendall(NUMBER.pack(pid))
    _, status = os.waitpid(pid, 0)
    line.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(request: dict[str, Any], output: int) -> None:
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:] = request["arguments"]
    from burgee.cli import main

    main()
