"""Prints how long a kill takes until it is served: of a flag with 10,000 targets, alone and beside 500 overrides.

    python tests/benchmarks/large_kills.py

On the embedded store, moto, and MiniStack over the wire. An evaluator with a store of its own
is asked until it answers off; it polls without a pause, so the time is that of writing and reading.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from moto import mock_aws

from burgee.releases.deploy import apply, write
from burgee.releases.overrides import killed, lay
from burgee.serving.serving import Serving
from burgee.stores import Change, Origin
from burgee.stores.audit import AuditContext
from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import CREDENTIALS, ministack, table_at
from support.stores import override

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.stores import Store

USERS = [sha256(str(number).encode()).hexdigest()[:36] for number in range(10_000)]
LARGE: dict[str, Any] = {"status": True, "targets": {"on": USERS}, "rollout_percentage": 0}


def measured(opened: Callable[[], Store]) -> None:
    """One kind of store."""
    writer, reader = opened(), opened()
    flags = {"large": LARGE, **{f"flag-{n:03}": {"status": True} for n in range(500)}}
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
    apply(writer, snapshot, Origin(), AuditContext("release.activate", "ada", "", time.time()))
    print(f"  {_killed(writer, reader):7.3f} s from kill to served, alone")
    write(writer, lambda *_: Change(lift=["large"]))
    began = time.perf_counter()
    write(writer, lambda *_: Change(lay=[override(f"flag-{n:03}", status=False) for n in range(500)]))
    print(f"  {time.perf_counter() - began:7.3f} s to lay 500 overrides in one commit")
    print(f"  {_killed(writer, reader):7.3f} s from kill to served, beside 500 overrides")
    began = time.perf_counter()
    write(writer, lambda state, _: Change(lift=list(state.overrides)))
    print(f"  {time.perf_counter() - began:7.3f} s to lift 501 overrides in one commit")
    entry = writer.audit(limit=1)[0]
    size = len(json.dumps([entry.before, entry.after]))
    print(f"          {size} bytes of before and after in the audit entry")
    writer.close()
    reader.close()


def _killed(writer: Store, reader: Store) -> float:
    serving = Serving(reader, refresh_seconds=0)
    user = {"targetingKey": USERS[7]}
    assert serving.ruleset().evaluate("large", user, time.time()).value is True
    act = AuditContext("flag.kill", "ada", "orders fail", time.time())
    began = time.perf_counter()
    write(writer, lambda state, snapshot: lay(state, snapshot, "large", killed(LARGE), act))
    while serving.ruleset().evaluate("large", user, time.time()).value is not False:
        pass
    return time.perf_counter() - began


def main() -> None:
    """All three."""
    os.environ.update(CREDENTIALS)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        print("SQLite")
        measured(lambda: SqliteStore(Path(folder) / "state.sqlite"))
        print("MiniStack")
        url = stack.enter_context(ministack(Path(folder)))
        table_at(url)
        measured(lambda: DynamoDbStore("flags", endpoint_url=url))
    with mock_aws():
        print("moto")
        DynamoDbStore("flags").create_table()
        measured(lambda: DynamoDbStore("flags"))


if __name__ == "__main__":
    main()
