"""What usage costs on AWS per million answers: records, bytes, and what Firehose bills for them.

    .venv/bin/python tests/benchmarks/usage.py

Counts answers of the benchmark's flags as the evaluation function does, at several rates of one process, on a clock
that moves by itself, and hands the records to the real sink. Prices are those of us-east-1 in 2026, in dollars a GB:
ingestion 0.029, conversion to Parquet 0.018, dynamic partitioning 0.020; each entry is billed as a multiple of 5 KB.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from benchmarks import work
from benchmarks.rivals import burgee
from burgee.evaluation.ruleset import Ruleset
from burgee.events.firehose_sink import DeadLetters, FirehoseSink
from burgee.events.usage import Counted, UsageCounter
from burgee.stores import Tenant
from burgee.web.exchange import Caller

A_GB = 0.029 + 0.018 + 0.020
ENTRY = 5 * 1024
MINUTES = 10


class Stream:
    """Adds up what it would be billed for."""

    def __init__(self) -> None:
        self.entries = self.data = self.billed = 0

    def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803
        del DeliveryStreamName
        for one in Records:
            self.entries += 1
            self.data += len(one["Data"])
            self.billed += -(-len(one["Data"]) // ENTRY) * ENTRY
        return {"FailedPutCount": 0, "RequestResponses": [{"RecordId": "1"}] * len(Records)}


def cost(a_second: int, flags: int, *, bulk: bool) -> list[str]:
    """A row: `a_second` requests in one process, each for one of the flags or for all."""
    ruleset = Ruleset(json.loads(burgee.document(work.many(flags))), release={"version": 7})
    stream, now = Stream(), [0.0]
    sink = FirehoseSink("s", dead_letters=DeadLetters("q"), client=stream)
    usage = UsageCounter(sink, threaded=False, clock=lambda: now[0], wall=lambda: 1.8e9 + now[0])
    asker = Caller(Tenant(), name="checkout service", key="0123456789abcdef")
    names = ruleset.names()
    kept: dict[tuple[str, int], Counted] = {}
    answers = 0
    for second in range(60 * MINUTES):
        now[0] = float(second)
        for number in range(a_second):
            person = burgee.someone(*work.person(second * a_second + number))
            if bulk:
                given = ruleset.evaluate_all(person)
            else:
                name = names[number % flags]
                given = {name: ruleset.evaluate(name, person)}
            for name, answer in given.items():
                place = name, id(answer)
                if place not in kept:
                    kept[place] = Counted(answer)
                    usage.begin(kept[place], ruleset, name, asker)
                next(kept[place].bulk if bulk else kept[place].named)
            answers += len(given)
        usage.flush_if_due()
    usage.flush()
    million = 1e6 / answers
    dollars = stream.billed / 1e9 * A_GB * million
    asked = "all" if bulk else "one"
    figures = [f"{stream.entries * million:,.0f}", f"{stream.data * million / 1e3:,.0f}", f"{dollars:.6f}"]
    return [f"{a_second}", f"{asked} of {flags}", f"{answers:,}", *figures]


def main() -> None:
    """Prints the table."""
    head = ["requests a second", "flags asked for", "answers", "records", "KB", "USD"]
    print(f"| {' | '.join(head)} |\n{'|---' * len(head)}|")
    for a_second, flags, bulk in ((1, 10, False), (10, 10, False), (100, 10, False), (1, 100, True), (20, 100, True)):
        print(f"| {' | '.join(cost(a_second, flags, bulk=bulk))} |")


if __name__ == "__main__":
    main()
