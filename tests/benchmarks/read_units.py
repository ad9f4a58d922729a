"""Prints the read units that a thousand evaluations cost, computed and as the table counts them.

    python tests/benchmarks/read_units.py [URL OF A DYNAMODB, default a MiniStack]

One evaluator polls every ten seconds of a simulated clock, which each evaluation moves on.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))
sys.path.insert(0, str(Path(__file__).parents[1]))

from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from support.dynamodb import CREDENTIALS, ministack, table_at

if TYPE_CHECKING:
    from burgee.stores.dynamodb import DynamoDbStore

REFRESH_SECONDS = 10
POLL_UNITS = 0.5
"""An eventually consistent read of an item below 4 KB."""


class Meter:
    """What reads cost, as the table says itself."""

    def __init__(self, store: DynamoDbStore) -> None:
        self.units = 0.0
        for operation in ("GetItem", "Query"):
            store.client.meta.events.register(f"provide-client-params.dynamodb.{operation}", self.ask)
            store.client.meta.events.register(f"after-call.dynamodb.{operation}", self.reported)

    def ask(self, params: dict[str, Any], **_more: Any) -> None:
        """Before a call."""
        params["ReturnConsumedCapacity"] = "TOTAL"

    def reported(self, parsed: dict[str, Any], **_more: Any) -> None:
        """After a call."""
        self.units += parsed["ConsumedCapacity"]["CapacityUnits"]

    def read(self) -> float:
        """The units since the last reading."""
        units, self.units = self.units, 0.0
        return units


def measure(url: str) -> None:
    """Prints the table."""
    store = table_at(url)
    flag = {"status": True, "rollout_percentage": 50, "description": "x" * 100}
    flags = {f"f{number}": flag for number in range(1000)}
    snapshot = {"format": 1, "environment": None, "flags": flags, "segments": {}, "holdouts": {}}
    apply(store, snapshot, Origin(), AuditContext("release.activate", "bench", "", time.time()))
    meter, clock = Meter(store), [0.0]
    serving = Serving(store, refresh_seconds=REFRESH_SECONDS, clock=lambda: clock[0])
    serving.ruleset()
    print(f"a cold start with {len(flags):,} flags: {meter.read()} units")
    print("evaluations a second   observed per 1,000   computed")
    for rate in (1, 10, 100):
        number = rate * 1000
        for _ in range(number):
            clock[0] += 1 / rate
            serving.ruleset().evaluate("f1", {"targetingKey": "ada"}, 0)
        computed = POLL_UNITS / REFRESH_SECONDS / rate * 1000
        print(f"{rate:20} {meter.read() / number * 1000:20.3f} {computed:10.3f}")
    store.close()


def main() -> None:
    """On the DynamoDB that is named, or on one of its own."""
    os.environ.update(CREDENTIALS)
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as folder, ministack(Path(folder)) as url:
        measure(url)


if __name__ == "__main__":
    main()
