"""What the hot paths cost in instructions, which no neighbour on the machine changes: `make bench-check`.

    python tests/benchmarks/counts.py [--write]

Each path runs under `valgrind --tool=callgrind` many times and few times; the difference, divided, is what one run
costs. Figures hold for one minor version of Python, so the baseline has one set for each, with the build that it was
counted on; a path may cost `TOLERANCE` more than it says. Hashes are pinned so that dictionaries lie the same in
every run. `rules` is a flag before its rules are fused and `often` after; `bulk` is a hundred flags, `load` is fifty.
`ofrep` and `user_flag` are one request for the flag of `often`, from ASGI's scope to its last message, and `event` is
the request of `ofrep` as an event of API Gateway, through Mangum; `ofrep_all` asks for a hundred flags at once. These
four also run with usage counted, which may add `USAGE`. `import` is the import of the evaluation function
and `lint` is `burgee lint` of the example, both once, less what Python takes to start.
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
def front(document):
    import json
    from burgee.serving.serving import Serving
    from burgee.web.evaluation_app import evaluation_app
    from burgee.web.front import Setup
    from burgee.events.sinks import MemorySink
    from burgee.events.usage import UsageCounter
    usage = UsageCounter(MemorySink(), threaded=False) if {counted} else None
    return evaluation_app(Serving(bundled=json.loads(document)), setup=Setup(usage=usage))
def requested(method, path, bodies, query=b""):
    import json
    app = front(burgee.document(work.many(100)))
    async def send(message):
        pass
    def ask(person):
        body = json.dumps({{"context": person}}).encode() if bodies else b""
        async def receive():
            return {{"type": "http.request", "body": body}}
        headers = [(b"host", b"localhost"), (b"content-length", b"%d" % len(body))]
        scope = {{"type": "http", "method": method, "path": path, "query_string": query, "headers": headers}}
        try:
            app(scope, receive, send).send(None)
        except StopIteration:
            return
        raise AssertionError("it waits for something")
    for person in people * 10:
        ask(person)
    return ask
def received(path):
    import asyncio, json
    from burgee.web.gateway import gateway
    asyncio.set_event_loop(asyncio.new_event_loop())
    handler = gateway(front(burgee.document(work.many(100))))
    http = {{"method": "POST", "path": path, "sourceIp": "192.0.2.1"}}
    event = {{"version": "2.0", "rawPath": path, "rawQueryString": "", "headers": {{"host": "a.example"}}}}
    event["requestContext"] = {{"stage": "$default", "http": http}}
    def ask(person):
        answer = handler({{**event, "body": json.dumps({{"context": person}})}}, None)
        assert answer["statusCode"] == 200, answer
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
ONE = "/ofrep/v1/evaluate/flags/flag-1"
QUERY = b"country=AT&plan=pro&version=2.3.1&age=30"
if sys.argv[1] == "ofrep":
    paths["ofrep"] = requested("POST", ONE, True)
if sys.argv[1] == "user_flag":
    paths["user_flag"] = requested("GET", "/users/ada/flags/flag-1", False, QUERY)
if sys.argv[1] == "ofrep_all":
    paths["ofrep_all"] = requested("POST", "/ofrep/v1/evaluate/flags", True)
if sys.argv[1] == "event":
    paths["event"] = received(ONE)
path, number = paths[sys.argv[1]], int(sys.argv[2])
for person in people:
    path(person)
for round in range(number):
    path(people[round % 50])
"""
PATHS = {
    "share": 1,
    "rules": 1,
    "often": 1,
    "users": 1,
    "bulk": 20,
    "load": 20,
    "ofrep": 1,
    "user_flag": 1,
    "event": 2,
    "ofrep_all": 20,
}
COUNTED = ("ofrep", "user_flag", "event", "ofrep_all")
"""Paths that are also run with usage counted."""
USAGE = 0.02
"""How much more they may then cost."""
ONCE = {
    "import": "import burgee.handlers.evaluate",
    "lint": "import sys; sys.argv = ['burgee', 'lint', 'flags.yaml']; from burgee.cli import main; main()",
}
ROOT = HERE.parents[1]


def instructions(script: str, python: str, *arguments: str) -> int:
    """Of a whole process."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "path.py"
        path.write_text(script, encoding="utf-8")
        command = [
            "valgrind",
            "--tool=callgrind",
            f"--callgrind-out-file={folder}/out",
            python,
            str(path),
            *arguments,
        ]
        environment = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT / "functions")}
        ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if ran.returncode or found is None:
        sys.exit(f"bench-check: {python} under valgrind failed at {arguments or script!r}:\n{ran.stderr}")
    return int(found[1])


def cost(path: str, python: str, *, counted: bool = False) -> int:
    """Instructions of one run of a path, with usage counted if asked."""
    if path in ONCE:
        instructions(ONCE[path], python)  # byte code is written by the first run
        return instructions(ONCE[path], python) - instructions("", python)
    scale = PATHS[path]
    script = SCRIPT.format(paths=[str(HERE.parent), str(ROOT / "functions")], counted=counted)
    instructions(script, python, path, "1")
    few, many = FEW // scale, MANY // scale
    more = instructions(script, python, path, str(many)) - instructions(script, python, path, str(few))
    return round(more / (many - few))


def main() -> int:
    """Compares with the baseline, or writes it."""
    if shutil.which("valgrind") is None:
        print("bench-check: valgrind is not installed (apt-get install valgrind); nothing was checked")
        return 0
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    build = f"{platform.python_version()} {platform.python_compiler()} {platform.machine()}"
    reported = json.loads(BASELINE.read_text(encoding="utf-8")) if BASELINE.exists() else {}
    if python not in reported and "--write" not in sys.argv:
        known = ", ".join(reported) or "none"
        print(f"bench-check: this is Python {python} and the baseline is of {known}: nothing was compared.")
        print("Use one of those (make PYTHON=...), or count a baseline for this one: counts.py --write")
        return 1
    paths = [*PATHS, *ONCE]
    found = {path: cost(path, sys.executable) for path in paths}
    if "--write" in sys.argv:
        BASELINE.write_text(
            json.dumps({**reported, python: {"build": build, **found}}, indent=2) + "\n", encoding="utf-8"
        )
        reported = {**reported, python: {"build": build, **found}}
    before = reported[python]
    if before["build"] != build:
        print(
            f"bench-check: the baseline is of {before['build']}, this is {build}: some of a difference is due to that"
        )
    worse = [path for path in paths if found[path] > before[path] * (1 + TOLERANCE)]
    for path in paths:
        print(
            f"{path:9} {found[path]:12,} instructions, baseline {before[path]:12,}  {found[path] / before[path]:.3f}"
        )
    for path in COUNTED:
        counted = cost(path, sys.executable, counted=True)
        print(f"{path:9} {counted:12,} instructions with usage counted, {counted / found[path]:.3f} of without")
        if counted > found[path] * (1 + USAGE):
            worse.append(f"{path} with usage")
    if worse:
        print(f"bench-check: {', '.join(worse)}: over {TOLERANCE:.0%} above the baseline, or {USAGE:.0%} by usage")
    return 1 if worse and "--write" not in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
