"""A PostgreSQL of a test's own, where the machine has one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("/usr/local/bin", "/usr/bin", *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)))
HAS_POSTGRES = shutil.which("initdb", path=os.pathsep.join(PLACES)) is not None


@contextmanager
def postgres() -> Iterator[str]:
    """A server that listens on a socket alone; yields the socket's folder. Its user is `tester`."""
    # The path of a socket has at most 107 characters, which pytest's folders use up.
    folder = Path(tempfile.mkdtemp(prefix="burgee-pg-"))
    path = os.pathsep.join(PLACES)
    # PostgreSQL refuses to run as root.
    another = ["setpriv", "--reuid=nobody", "--clear-groups"] if os.getuid() == 0 else []
    if another:
        shutil.chown(folder, "nobody")

    def run(name: str, *arguments: str) -> None:
        command = [*another, str(shutil.which(name, path=path)), "-D", str(folder / "data"), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder)

    try:
        run("initdb", "-A", "trust", "-U", "tester", "--no-sync", "-E", "UTF8", "--locale=C")
        settings = f"-c listen_addresses='' -k {folder} -c fsync=off"
        run("pg_ctl", "-o", settings, "-l", str(folder / "log"), "-w", "start")
        try:
            yield str(folder)
        finally:
            run("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
