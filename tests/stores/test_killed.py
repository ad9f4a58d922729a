"""Writers that are killed: whatever they were about, the served release is whole.

`BURGEE_KILLS=200 pytest tests/stores/test_killed.py` kills more of them.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from burgee.stores.dynamodb import DynamoDbStore
from burgee.stores.sqlite import SqliteStore
from support.dynamodb import wire_url
from support.stores import assert_whole

TESTS = Path(__file__).parents[1]
KILLS = int(os.environ.get("BURGEE_KILLS", "8"))


@pytest.mark.parametrize("kind", ["sqlite", "dynamodb"])
def test_killed_at_a_random_moment_a_store_serves_the_old_release_or_the_new(tmp_path: Path, kind: str) -> None:
    source = random.Random(11)
    where = [str(tmp_path / "burgee.db")] if kind == "sqlite" else [f"burgee-{uuid4().hex}", wire_url()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent / "functions")])}
    endless = [sys.executable, "-c", f"from support import crash; crash.release_without_end(*{where!r})"]
    revision = 0
    for _ in range(KILLS):
        with subprocess.Popen(endless, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout is not None
            acknowledged = revision
            for _ in range(source.randrange(1, 6)):
                acknowledged = int(child.stdout.readline())
            # The child goes on while this sleeps: how far it comes is chance.
            time.sleep(source.random() * 0.05)
            child.send_signal(signal.SIGKILL)
            assert child.wait() == -signal.SIGKILL
            acknowledged = max([acknowledged, *map(int, child.stdout)])
        time.sleep(0 if kind == "sqlite" else 0.05)  # what was on its way to a server arrives all the same
        store = SqliteStore(where[0]) if kind == "sqlite" else DynamoDbStore(where[0], endpoint_url=where[1])
        with closing(store):
            revision = assert_whole(store, acknowledged)
    assert revision >= KILLS
