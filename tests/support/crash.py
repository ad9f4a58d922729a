"""What runs in processes that are meant to die: `python -c "from support import crash; crash.NAME(PATH)"`."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import sys
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from burgee.errors import StoreUnavailable
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.stores import committed, marked, override, released, staged

if TYPE_CHECKING:
    from burgee.stores import Store


def release_without_end(place: str, url: str | None = None) -> None:
    """Reports each release when it is done: in a file, or in a table behind a URL."""
    store: Store
    if url is None:
        store = SqliteStore(place)
    else:
        store = DynamoDbStore(place, endpoint_url=url)
        store.create_table()
    while True:
        print(marked(store), flush=True)


class Fused(sqlite3.Connection):
    """Dies, as by `kill -9`, right before or after the statement that uses up the fuse."""

    fuse = 0
    writes_alone = False

    def _burn(self, result: Any = None) -> Any:
        Fused.fuse -= 1
        if Fused.fuse == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    def execute(self, *arguments: Any) -> Any:
        if Fused.writes_alone and not arguments[0].startswith(("REPLACE", "INSERT", "DELETE")):
            return super().execute(*arguments)
        self._burn()
        return self._burn(super().execute(*arguments))

    def executemany(self, *arguments: Any) -> Any:
        self._burn()
        return self._burn(super().executemany(*arguments))

    def commit(self) -> None:
        self._burn()
        super().commit()
        self._burn()


def die_at_each_statement(folder: str) -> None:
    """For each statement of opening base.db and of one release in turn, a process that dies there, on a copy."""
    plain: Any = sqlite3.connect
    connect: Any = lambda *arguments, **more: plain(*arguments, factory=Fused, **more)  # noqa: E731
    sqlite3.connect = connect
    for fuse in count(1):
        Fused.fuse, path = fuse, Path(folder) / f"{fuse}.db"
        shutil.copy(Path(folder) / "base.db", path)
        child = os.fork()
        if child == 0:
            marked(SqliteStore(path))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            break


def run_out_of_space(path: str) -> None:
    """The file may not grow for a while, in the middle of a release and of a commit; then it may again."""
    store = SqliteStore(path)
    released(store, b"one")
    before = store.state()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    large = random.Random(1).randbytes(1_000_000)
    many = [override(str(number), text="x" * 100) for number in range(2000)]
    for attempt in (lambda: staged(store, large), lambda: committed(store, lay=many)):
        try:
            attempt()
        except StoreUnavailable:
            continue
        sys.exit("the disk was not full")
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.state() == before
    assert released(store, b"two").version == 2


def read_on_a_full_disk(path: str) -> None:
    """No file may grow while the store is opened and read; then files may again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    store = SqliteStore(path)
    _read_and_refused(store)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    committed(store, lay=[override("c")])
    store.close()


def read_what_is_read_only(path: str) -> None:
    """Neither the files nor their folder may be written, by a user who is not root."""
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        folder = Path(place) / "folder"
        shutil.copytree(Path(path).parent, folder)
        for one in folder.iterdir():
            one.chmod(0o444)
        folder.chmod(0o555)
        child = os.fork()
        if child == 0:
            if os.getuid() == 0:
                os.setuid(65534)
            store = SqliteStore(folder / Path(path).name)
            _read_and_refused(store)
            store.close()
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        folder.chmod(0o755)
    sys.exit(status)


def _read_and_refused(store: SqliteStore) -> None:
    state = store.state()
    assert (state.pointer.revision, set(state.overrides), store.payload(1)) == (2, {"a"}, b"one")
    for _ in range(2):
        try:
            committed(store, lay=[override("b")])
        except StoreUnavailable:
            continue
        sys.exit("it was written")
    assert store.pointer().revision == 2


def die_in_a_request(folder: str, token: str) -> None:
    """For each statement that writes, while a flag is made in base.db, a process that dies there, on a copy.

    Prints how each ended; the last one lives.
    """
    from support.keys import HOME, bearer, service

    plain: Any = sqlite3.connect
    connect: Any = lambda *arguments, **more: plain(*arguments, factory=Fused, **more)  # noqa: E731
    sqlite3.connect = connect
    headers = {**bearer(token), "Idempotency-Key": "once", "X-Burgee-Reason": "test"}
    for fuse in count(1):
        path = Path(folder) / f"{fuse}.db"
        shutil.copy(Path(folder) / "base.db", path)
        child = os.fork()
        if child == 0:
            client = service(SqliteStore(path, HOME))
            client.get("/flags", headers=headers)  # so that what a new process reads first is behind it
            Fused.fuse, Fused.writes_alone = fuse, True
            client.post("/flags", json={"flag_name": "made"}, headers=headers)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, flush=True)
        if status == 0:
            break
