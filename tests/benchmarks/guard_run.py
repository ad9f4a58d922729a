"""Guarded rollouts from beginning to end: `burgee serve`, users over HTTP, rounds of `burgee guard run`, a branch.

    python tests/benchmarks/guard_run.py [--users 20000] [--hold 40]

Three releases: one that doubles the rate of errors where it is served, one that changes nothing, and one whose metric
stops arriving. Users ask through OFREP and send events through `/v1/events`, as fast as the service answers, while
rounds run one after the other. At the end `burgee reconcile` pushes the branch of the pull request to a bare remote.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any, NamedTuple

BURGEE = [str(Path(sys.executable).with_name("burgee"))]
RATE = 0.1
THREADS = 4
FILE = """\
version: 1
metrics:
  errors: {{kind: proportion, event: error, direction: decrease, window: 2s}}
flags:
  checkout:
    status: on
    rollout_percentage: 0
    guard: {{steps: [10, 50, 100], hold: {hold}s, minimum: 500, guardrails: {{errors: {{margin: 20}}}}}}
"""


class Release(NamedTuple):
    """What a release does: the rate of errors where it is served, and after how many seconds events stop arriving."""

    name: str
    rate: float = RATE
    stops: float = float("inf")
    seconds: float = 600.0


class Crowd:
    """Users who ask, and send an error at the rate of what they got."""

    def __init__(self, port: int, users: int, release: Release) -> None:
        self.port, self.users, self.release = port, users, release
        self.asked = 0
        self.saw: set[int] = set()
        self._stop, self._began = Event(), time.monotonic()
        self._threads = [Thread(target=self._run, args=(seed,)) for seed in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stops asking."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: int) -> None:
        rng, client, waiting = random.Random(seed), HTTPConnection("127.0.0.1", self.port), list[dict[str, Any]]()
        while not self._stop.is_set():
            number = rng.randrange(self.users)
            body = {"context": {"targetingKey": f"user-{number}"}}
            got = _post(client, "/ofrep/v1/evaluate/flags/checkout", body)["value"]
            self.asked += 1
            if got:
                self.saw.add(number)
            if rng.random() < (self.release.rate if got else RATE):
                event = {"type": "track", "event": "error", "event_id": f"{seed}-{self.asked}-{number}"}
                waiting.append({**event, "unit": f"user-{number}"})
            if len(waiting) >= 50:
                if time.monotonic() - self._began < self.release.stops:
                    _post(client, "/v1/events", {"events": waiting})
                waiting.clear()


def _post(client: HTTPConnection, path: str, body: Any) -> Any:
    client.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    return json.loads(client.getresponse().read())


def run(release: Release, users: int, hold: int) -> dict[str, Any]:
    """One release from its first round to its end, or to its time."""
    with tempfile.TemporaryDirectory(prefix="burgee-guard-") as name:
        folder = Path(name, "work")
        folder.mkdir()
        (folder / "flags.yaml").write_text(FILE.format(hold=hold), encoding="utf-8")
        _git(folder, "init", "-q", "-b", "main")
        _git(folder, "add", "flags.yaml")
        _git(folder, "-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "flags")
        _git(Path(name), "clone", "-q", "--bare", "work", "remote.git")
        _git(folder, "remote", "add", "origin", "../remote.git")
        quiet: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.DEVNULL, "text": True}
        serve = subprocess.Popen([*BURGEE, "serve", "--port", "0"], cwd=folder, **quiet)
        try:
            assert serve.stderr is not None
            greeting = next(line for line in serve.stderr if "http://" in line)
            port = int(greeting.split("http://127.0.0.1:")[1].split()[0])
            Thread(target=serve.stderr.read, daemon=True).start()
            return _guarded(release, Crowd(port, users, release), folder)
        finally:
            serve.terminate()
            serve.wait(30)


def _guarded(release: Release, crowd: Crowd, folder: Path) -> dict[str, Any]:
    began, took, steps = time.monotonic(), list[float](), list[str]()
    try:
        while time.monotonic() - began < release.seconds:
            start = time.monotonic()
            (found,) = json.loads(_burgee(folder, "guard", "run", "--json")) or [{"action": "done", "reasons": []}]
            took.append(time.monotonic() - start)
            if found["action"] != "hold":
                steps.append(f"{time.monotonic() - began:.0f} s: {found['action']} to {found['share']:g} %")
            last = "; ".join(one["message"] for one in found["reasons"])
            if found["action"] in {"done", "roll_back"}:
                break
    finally:
        crowd.close()
    reconciled = _burgee(folder, "reconcile", "--host", "none", check=False)
    return {
        "release": release.name,
        "asked": crowd.asked,
        "saw": len(crowd.saw),
        "steps": steps,
        "last": last,
        "rounds": len(took),
        "slowest_round": round(max(took), 1),
        "reconciled": reconciled.strip(),
    }


def _burgee(folder: Path, *words: str, check: bool = True) -> str:
    return subprocess.run([*BURGEE, *words], cwd=folder, stdout=subprocess.PIPE, text=True, check=check).stdout


def _git(folder: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=folder, check=True)


def main() -> None:
    """Prints a line of JSON for each release."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--hold", type=int, default=40)
    given = parser.parse_args()
    releases = (
        Release("harmful", rate=2 * RATE),
        Release("harmless"),
        Release("silent", stops=20.0, seconds=5.0 * given.hold),
    )
    for release in releases:
        print(json.dumps(run(release, given.users, given.hold), indent=1))


if __name__ == "__main__":
    main()
