"""DynamoDB without AWS: moto in process, and MiniStack, which speaks the wire protocol."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import urllib.request
from collections import defaultdict
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from copy import copy
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import botocore.session
from moto import mock_aws
from moto.dynamodb.models.table import Table

from burgee.errors import StoreUnavailable
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.lambda_runtime import free_port
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from burgee.stores import Store, Tenant

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# A client is made from AWS's descriptions of its services, which every session reads from the disk again: nine tenths
# of what it takes to make one. The hundreds of clients of these tests read them once.
botocore.session.create_loader = cache(botocore.session.create_loader)


def _copied(table: Table, _memo: Any) -> Table:
    """A copy that shares its items: Burgee replaces items and edits none.

    For each item of a transaction moto copies the whole table, to take back what fails.
    """
    copied = copy(table)
    copied.items = defaultdict(dict, {key: dict(items) for key, items in table.items.items()})
    return copied


Table.__deepcopy__ = _copied  # type: ignore[attr-defined]


@contextmanager
def ministack(folder: Path, services: str = "dynamodb", python: str = sys.executable) -> Iterator[str]:
    """A MiniStack of its own, gone when the block ends; its URL."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": services,
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
        "S3_DATA_DIR": str(folder / "s3"),
        "MINISTACK_REGION": CREDENTIALS["AWS_DEFAULT_REGION"],
    }
    log = folder / "ministack.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            [python, "-m", "ministack"], cwd=folder, env=environment, stdout=output, stderr=output
        )
        try:
            _wait(url, process, log)
            yield url
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def either_store(kind: str, monkeypatch: pytest.MonkeyPatch, tenant: Tenant | None = None) -> Iterator[Store]:
    """An empty store of a kind, `sqlite` or `dynamodb`, until the block ends."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with mock_aws() if kind == "dynamodb" else nullcontext():
        opened: Store = table_at(None, tenant=tenant) if kind == "dynamodb" else SqliteStore(":memory:", tenant)
        with closing(opened):
            yield opened


def table_at(url: str | None, name: str = "flags", tenant: Tenant | None = None) -> DynamoDbStore:
    """A table that is there; a machine under load may need more than one try to make it."""
    store = DynamoDbStore(name, tenant, endpoint_url=url)
    for _ in range(9):
        with suppress(StoreUnavailable):
            store.create_table()
            return store
    store.create_table()
    return store


@cache
def wire_url() -> str:
    """One server for all tests of this process."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(ministack(Path(mkdtemp(prefix="ministack-"))))


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    def look() -> bool:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        with suppress(OSError):
            urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
            return True
        return False

    eventually(look, lambda: log.read_text(encoding="utf-8"))
