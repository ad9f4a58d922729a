"""What the hot paths cost in instructions, which no neighbour on the machine changes: `make bench-check`.

    python tests/benchmarks/counts.py [--write]

Each path runs under `valgrind --tool=callgrind` many times and few times; the difference, divided, is what one run
costs. Figures hold for one minor version of Python, so the baseline has one set for each, with the build that it was
counted on; a path may cost `TOLERANCE` more than it says. Hashes are pinned so that dictionaries lie the same in
every run. `rules` is a flag before its rules are fused and `often` after; `bulk` is a hundred flags, `load` is fifty,
`ofrep` one request for the flag of `often`, from ASGI's scope to its last message.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
BASELINE = HERE / "counts.json"
TOLERANCE = 0.05
FEW, MANY = 200, 1200

SCRIPT = """
import sys
sys.path[:0] = {paths!r}
from benchmarks import work
from benchmarks.rivals import burgee
flags = {{"share": "share", "rules": "rules", "users": "users"}}
ruleset = burgee.ready(burgee.document(flags))
hundred = burgee.ready(burgee.document(work.many(100)))
people = [burgee.someone(*work.person(number)) for number in range(50)]
for person in people * 10:
    hundred.evaluate("flag-1", person)
seldom = ruleset.prerequisite("rules")
data = burgee.document(work.many(50))
def requested(document):
    import json
    from burgee.serving.serving import Serving
    from burgee.web.evaluation_app import evaluation_app
    front = evaluation_app(Serving(bundled=json.loads(document)))
    async def send(message):
        pass
    def ask(person):
        body = json.dumps({{"context": person}}).encode()
        async def receive():
            return {{"type": "http.request", "body": body}}
        headers = [(b"host", b"localhost"), (b"content-length", b"%d" % len(body))]
        path = "/ofrep/v1/evaluate/flags/flag-1"
        scope = {{"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}}
        try:
            front(scope, receive, send).send(None)
        except StopIteration:
            return
        raise AssertionError("it waits for something")
    for person in people * 10:
        ask(person)
    return ask
paths = {{
    "share": lambda person: ruleset.evaluate("share", person),
    "rules": lambda person: seldom(person, 0),
    "often": lambda person: hundred.evaluate("flag-1", person),
    "users": lambda person: ruleset.evaluate("users", person),
    "bulk": lambda person: hundred.evaluate_all(person),
    "load": lambda person: burgee.ready(data),
}}
if sys.argv[1] == "ofrep":
    paths["ofrep"] = requested(burgee.document(work.many(100)))
path, number = paths[sys.argv[1]], int(sys.argv[2])
for person in people:
    path(person)
for round in range(number):
    path(people[round % 50])
"""
PATHS = {"share": 1, "rules": 1, "often": 1, "users": 1, "bulk": 20, "load": 20, "ofrep": 1}


def instructions(path: str, runs: int, python: str) -> int:
    """Of a whole process."""
    roots = [str(HERE.parent), str(HERE.parents[1] / "functions")]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "path.py"
        script.write_text(SCRIPT.format(paths=roots), encoding="utf-8")
        ran = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                f"--callgrind-out-file={folder}/out",
                python,
                str(script),
                path,
                str(runs),
            ],
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0"},
        )
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or found is None:
        sys.exit(f"bench-check: {python} under valgrind failed at {path!r}:\n{ran.stderr}")
    return int(found[1])


def cost(path: str, python: str) -> int:
    """Instructions of one run of a path."""
    scale = PATHS[path]
    instructions(path, 1, python)  # byte code is written by the first run
    few, many = FEW // scale, MANY // scale
    return round((instructions(path, many, python) - instructions(path, few, python)) / (many - few))


def main() -> int:
    """Compares with the baseline, or writes it."""
    if shutil.which("valgrind") is None:
        print("bench-check: valgrind is not installed (apt-get install valgrind); nothing was checked")
        return 0
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    build = f"{platform.python_version()} {platform.python_compiler()} {platform.machine()}"
    told = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    if python not in told and "--write" not in sys.argv:
        known = ", ".join(told) or "none"
        print(f"bench-check: this is Python {python} and the baseline is of {known}: nothing was compared.")
        print("Use one of those (make PYTHON=...), or count a baseline for this one: counts.py --write")
        return 1
    found = {path: cost(path, sys.executable) for path in PATHS}
    if "--write" in sys.argv:
        BASELINE.write_text(
            json.dumps({**told, python: {"build": build, **found}}, indent=2) + "\n", encoding="utf-8"
        )
        told = {**told, python: {"build": build, **found}}
    before = told[python]
    if before["build"] != build:
        print(
            f"bench-check: the baseline is of {before['build']}, this is {build}: some of a difference is due to that"
        )
    worse = [path for path in PATHS if found[path] > before[path] * (1 + TOLERANCE)]
    for path in PATHS:
        print(
            f"{path:8} {found[path]:12,} instructions, baseline {before[path]:12,}  {found[path] / before[path]:.3f}"
        )
    if worse:
        print(f"bench-check: {', '.join(worse)} cost more than {TOLERANCE:.0%} above the baseline")
    return 1 if worse and "--write" not in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
