"""One engine in its own environment: reads commands from the standard input, a line of JSON each, and answers so.

    python engine.py ADAPTER

An adapter module gives `document(flags)` (names to kinds, as the bytes that its vendor would send), `ready(document)`
(a client that can answer), `someone(user, attributes)` (the user, made before the clock runs) and
`ask(client, name, kind, people)` (the answers, by the call that its users would write); `bulk(client, flags, person)`
where it is not a loop over that.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import work

USERS, BULKS = 2_000, 20


class Engine:
    """An adapter at work."""

    def __init__(self, name: str) -> None:
        self.adapter: Any = importlib.import_module(f"benchmarks.rivals.{name}")
        flags = {"share": "share", "rules": "rules"}
        self.client = self.adapter.ready(self.adapter.document(flags))
        self.hundred = work.many(100)
        self.full = self.adapter.ready(self.adapter.document(self.hundred))
        self.listing: Any = None
        self.thousand = self.adapter.document(work.many(1000))
        self.people = [self.adapter.someone(*work.person(number)) for number in range(USERS)]

    def check(self) -> list[str]:
        """What it answers otherwise than the work says: shares off by more than chance, and matches."""
        adapter, wrong = self.adapter, []
        share = Counter(map(bool, adapter.ask(self.client, "share", "share", self.people)))
        if abs(share[True] / USERS - 0.5) > 0.05:
            wrong.append(f"share: {share}")
        arms = Counter(adapter.ask(self.client, "rules", "rules", self.people))
        total = sum(work.ARMS.values())
        if set(arms) != set(work.ARMS) or any(
            abs(arms[arm] / USERS - weight / total) > 0.05 for arm, weight in work.ARMS.items()
        ):
            wrong.append(f"arms: {arms}")
        for attributes, expected in work.MATCHES:
            (reported,) = adapter.ask(self.client, "rules", "rules", [adapter.someone("u", attributes)])
            if reported != expected and not (expected is None and reported in work.ARMS):
                wrong.append(f"{attributes}: {reported!r} instead of {expected!r}")
        bulk = self.bulk(self.people[0])
        if len(bulk) != 100:
            wrong.append(f"bulk: {len(bulk)} answers")
        return wrong + self._check_list()

    def _check_list(self) -> list[str]:
        self.listing = self.adapter.ready(self.adapter.document({"users": "users"}))
        self.listed = [self.adapter.someone(user, {}) for user in work.LISTED[::10]]
        some = self.listed[::10]  # the slowest engine takes a tenth of a second for one
        reported = [self.adapter.someone("nobody", {}), *some]
        answers = [bool(one) for one in self.adapter.ask(self.listing, "users", "users", reported)]
        return [] if answers == [False] + [True] * len(some) else [f"list: {Counter(answers)}"]

    def bulk(self, person: Any) -> Any:
        """Every flag of a hundred for one person."""
        if hasattr(self.adapter, "bulk"):
            return self.adapter.bulk(self.full, self.hundred, person)
        return [self.adapter.ask(self.full, name, kind, [person])[0] for name, kind in self.hundred.items()]

    def time(self, row: str, part: float = 1.0) -> float:
        """Nanoseconds of one piece of a row's work; `part` shortens the run of slow engines."""
        people = self.people[: max(int(USERS * part), 2)]
        gc.collect()
        started = time.process_time_ns()
        if row == "W1":
            self.adapter.ask(self.client, "share", "share", people)
        elif row == "W2":
            self.adapter.ask(self.client, "rules", "rules", people)
        elif row == "W3":
            people = people[: max(int(BULKS * part), 1)]
            for person in people:
                self.bulk(person)
        elif row == "W4":
            # From all over the list: who scans it finds the first of it sooner.
            people = self.listed[:: min(int(1 / part), len(self.listed) // 2) if part else len(self.listed) // 2]
            self.adapter.ask(self.listing, "users", "users", people)
        else:
            people = [None]
            client = self.adapter.ready(self.thousand)
        taken = (time.process_time_ns() - started) / len(people)
        if row == "W5":
            getattr(self.adapter, "close", lambda _: None)(client)
        return taken


def main() -> None:
    """Answers commands until there are none."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what an engine prints is no answer
    engine = Engine(sys.argv[1])
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(json.dumps(getattr(engine, command)(*arguments)), file=out, flush=True)
    os._exit(0)  # some engines leave threads behind


if __name__ == "__main__":
    main()
