"""Anything at all, through the real route and the real files: every record is read, refused or unreadable, and no
answer and no report breaks. BURGEE_HOSTILE=10000 sends that many, BURGEE_SEED=8 others."""

from __future__ import annotations

import json
import os
import random
from typing import TYPE_CHECKING, Any

from starlette.testclient import TestClient

from burgee.analysis.render.html_page import as_html
from burgee.analysis.render.json_report import as_json
from burgee.analysis.render.text_report import as_text
from burgee.analysis.reports import report
from burgee.cli.recording import LocalReports
from burgee.events.jsonl_sink import JsonlSink
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope
from burgee.flagfile.compile import compile_file
from burgee.serving.serving import Serving
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.experiments import FILE, START, gather_from, planned

if TYPE_CHECKING:
    from pathlib import Path

SENT = int(os.environ.get("BURGEE_HOSTILE", "1000"))
SEED = int(os.environ.get("BURGEE_SEED", "7"))
LONG = "a whole number that Python does not write"
STRANGE: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e15, 1e16, 1e100, 1e308, -1e308, 10**400, LONG, [], [1], {}, {"a": {}}),
    *(
        "",
        "NaN",
        "nan",
        "inf",
        "-Infinity",
        "1e100",
        "12,50",
        "1_000",
        " 5 ",
        "0x10",
        "9" * 400,
        "9" * 500,
        "x" * 513,
    ),
    *(
        "\x00",
        "a\x00b",
        "\ud800",
        "\U0001f600" * 100,
        "'; DROP TABLE burgee_lines; --",
        '"',
        "\\",
        "\n",
        "{",
        "\u2028",
    ),
    *("button", "_track", "../x", "topic=1", "SPLIT", "default", "on", "off", "order", "visit", "track", "exposure"),
    *("2026-01-05T00:00:00Z", "2026-01-05", "yesterday", "2999-01-01", START, START * 1000, -START, START + 0.123456),
]
UNITS = [f"u{i}" for i in range(60)]


def hostile(generator: random.Random, index: int) -> Any:
    """A record that is right in all but nothing, one thing, or everything."""
    kind = generator.choice(["exposure", "track", "track", "identify"])
    record: dict[str, Any] = {
        "type": kind,
        "event_id": generator.choice([f"e{index}", f"e{generator.randrange(50)}"]),
        "unit": generator.choice(UNITS),
        "time": START + generator.random() * 86_400 * 28,
    }
    if kind == "exposure":
        record |= {"flag": "button", "variant": generator.choice(["on", "off"]), "reason": "SPLIT", "rule": "default"}
    elif kind == "track":
        record |= {"event": generator.choice(["order", "visit"])}
        record["properties"] = {"amount": generator.random() * 50, "ms": generator.choice([5, "7", "12,50"])}
    else:
        record["known"] = generator.choice(UNITS)
    for _ in range(generator.choice([0, 0, 1, 1, 2, 5])):
        key = generator.choice([*record, "properties", "flag", "surprise", "variant"])
        record[key] = generator.choice(STRANGE)
        if key == "properties" and generator.random() < 0.7:
            names = ["amount", "ms", "country", *(str(one)[:600] for one in STRANGE[-30:])]
            record[key] = {generator.choice(names): generator.choice(STRANGE) for _ in range(generator.randrange(60))}
    return generator.choice(STRANGE) if generator.random() < 0.03 else record


def written(body: str) -> bytes:
    return body.replace(json.dumps(LONG), "9" * 5000).encode()


def test_every_record_is_accounted_for_and_nothing_breaks(tmp_path: Path) -> None:
    generator, folder = random.Random(SEED), tmp_path / ".burgee/events"
    plan = planned(tmp_path, FILE.replace("segments:", "cuped: 6d\n      segments:"))
    path = tmp_path / "flags.yaml"
    store = SqliteStore(":memory:")
    serving = Serving(None, compile_file(path))
    recorder = Recorder(JsonlSink(folder), RecordScope())
    client = TestClient(
        create_app(store, serving, Setup(recorder=recorder), LocalReports(path, "default", "default")),
        raise_server_exceptions=True,
    )
    accepted = refused = 0
    for start in range(0, SENT, 250):
        body = json.dumps({"events": [hostile(generator, start + i) for i in range(min(250, SENT - start))]})
        answer = client.post("/v1/events", content=written(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 200, answer.text
        accepted += answer.json()["accepted"]
        refused += len(answer.json()["rejected"])
    assert accepted + refused == SENT
    # What is on the disk may be anything, too: every twentieth line is cut, moved or typed over.
    spoiled = 0
    for file in folder.glob("*.jsonl"):
        lines = file.read_bytes().splitlines()
        for i in range(0, len(lines), 20):
            if b'"type":"refused"' not in lines[i]:
                lines[i] = generator.choice(
                    [b"{", b"garbage", lines[i][: len(lines[i]) // 2], b"\xff\xfe\x00", b"[]"]
                )
                spoiled += 1
        file.write_bytes(b"\n".join(lines) + b"\n")
    evidence = gather_from(folder, plan, plan.end)
    quality = evidence.quality
    assert quality.read is not None
    assert quality.read + quality.refused + sum(quality.faults.values()) == SENT
    assert sum(quality.faults.values()) == spoiled
    assert quality.refused == refused
    found = report(plan, evidence)
    assert json.loads(json.dumps(as_json(found), allow_nan=False))["health"]
    assert "=> " in as_text(found)
    assert as_html(found).startswith("<!doctype html>")
    for address in ("/experiments", "/experiments/button"):
        assert client.get(address).status_code == 200
    store.close()
