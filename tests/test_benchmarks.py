"""The pages of measurements say what results.json says, and every rival is in the table or named with a reason."""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import bench, cold_start, engines, growth, over_http, paced, scale

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
RIVALS = ROOT / "tests/benchmarks/rivals"
RESULTS: dict[str, Any] = json.loads(bench.RESULTS.read_text(encoding="utf-8"))
ENGINES: dict[str, Any] = RESULTS["engines"]["figures"]
PROMISED = {
    "ConfigCat",
    "Datadog (Rust)",
    "Eppo (Rust)",
    "Flagsmith",
    "Flipt (Rust)",
    "GO Feature Flag (WASM)",
    "GrowthBook",
    "LaunchDarkly",
    "PostHog",
    "Powertools",
    "Statsig (Rust)",
    "Unleash (Rust)",
    "flagd core",
}


def test_the_page_is_what_the_results_say() -> None:
    assert bench.PAGE.read_text(encoding="utf-8") == bench.page(RESULTS), "run bench.py --page"


def test_the_page_on_scale_is_what_the_results_say() -> None:
    assert bench.SCALE.read_text(encoding="utf-8") == scale.page(RESULTS), "run bench.py --page"


def test_a_part_that_nobody_measured_is_named() -> None:
    reported = {name: part for name, part in RESULTS.items() if name != "growth"}
    with pytest.raises(ValueError, match=r"no growth; run bench\.py --only growth"):
        bench.page(reported)


def test_a_part_that_fails_keeps_its_figures_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: bench.Run) -> None:
        raise OSError("no emulator")

    monkeypatch.setattr(bench, "RESULTS", tmp_path / "results.json")
    bench.RESULTS.write_text('{"cold": {"date": "2026-01-01", "figures": 1}}', encoding="utf-8")
    parts = {"cold": bench.Part(broken, dict), "growth": bench.Part(lambda run: run.rounds, dict)}
    monkeypatch.setattr(bench, "PARTS", parts)
    monkeypatch.setattr(bench, "step_aside", lambda: None)
    assert bench.measure(["cold", "growth"], bench.Run(sys.executable, 9, 3)) == ["cold"]
    reported = bench.results()
    assert reported["cold"] == {"date": "2026-01-01", "figures": 1}
    assert reported["growth"]["figures"] == 9
    assert {"date", "processor", "system", "python", "seconds"} < set(reported["growth"])
    assert "cold failed: OSError('no emulator')" in capsys.readouterr().err


def test_every_rival_is_in_the_table_or_named_with_a_reason() -> None:
    measured = {engines.NAMES[name] for name in ENGINES["figures"]}
    assert measured | set(ENGINES["missing"]) >= PROMISED
    assert not measured & set(ENGINES["missing"])
    page = bench.PAGE.read_text(encoding="utf-8")
    assert all(f"| {name} |" in page for name in measured)
    assert all(f"- {name}: {why}." in page for name, why in ENGINES["missing"].items())


def test_every_adapter_is_measured() -> None:
    shared = {"__init__", "ufc"}
    assert {file.stem for file in RIVALS.glob("*.py")} - shared == set(engines.NAMES)


def test_versions_are_those_that_the_adapters_ask_for() -> None:
    assert ENGINES["versions"] == {name: engines.packages(name) for name in ENGINES["figures"]}
    rivals = set(ENGINES["versions"]) - {"formula", "burgee"}
    assert all(any("==" in pin for pin in ENGINES["versions"][name]) for name in rivals)


def test_an_engine_that_ends_is_missing_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in that dies over its first row, as a native engine may."""
    dying = tmp_path / "engine.py"
    dying.write_text(
        "import sys\n"
        "for line in sys.stdin:\n"
        "    if 'time' in line and sys.argv[1] == 'flipt':\n"
        "        sys.exit(6)\n"
        "    print('[]' if 'check' in line else '1e6', flush=True)\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(engines, "HERE", tmp_path)
    monkeypatch.setattr(engines, "installed", lambda _name, python: python)
    monkeypatch.setattr(engines, "packages", lambda _name: [])
    reported = engines.measure(sys.executable, 2, ["burgee", "flipt"])
    assert set(reported["figures"]) == {"burgee"}
    assert reported["missing"] == {"Flipt (Rust)": "its process ended with 6 over `time`"}


def test_an_engine_that_answers_otherwise_is_missing_with_what_it_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine.py").write_text("input(); print('[\"share: 12\"]', flush=True); input()\n", encoding="utf-8")
    monkeypatch.setattr(engines, "HERE", tmp_path)
    monkeypatch.setattr(engines, "installed", lambda _name, python: python)
    reported = engines.measure(sys.executable, 1, ["eppo"])
    assert reported["figures"] == {}
    assert reported["missing"] == {"Eppo (Rust)": "answers otherwise than the work says: share: 12"}


@pytest.mark.parametrize(("power", "sizes"), [(1, (10, 100, 1000)), (2, (5, 20)), (0.5, (4, 16, 64))])
def test_growth_is_reported_as_an_exponent(power: float, sizes: tuple[int, ...]) -> None:
    reported = {str(size): {"ready": 3 * size**power} for size in sizes}
    first, *steps = growth.exponents(reported, "ready")
    assert first is None
    assert steps == pytest.approx([power] * len(steps))
    assert len(steps) == len(sizes) - 1


def test_published_figures_have_rounds_enough() -> None:
    assert ENGINES["rounds"] >= bench.LEAST
    for rows in ENGINES["figures"].values():
        assert all(low <= middle <= high for middle, low, high in rows.values())


@pytest.mark.sam
def test_a_cold_start_of_another_release_than_the_case_is_about_is_no_measurement(tmp_path: Path) -> None:
    (tmp_path / "handlers.py").write_text(
        "def seventh(event, context):\n"
        "    return {'statusCode': 200, 'headers': {'burgee-release': '7'}, 'body': event['rawPath']}\n"
        "def broken(event, context):\n"
        "    return {'statusCode': 401, 'body': 'no key'}\n",
        encoding="utf-8",
    )
    served = cold_start.run(cold_start.Case("a", "handlers.seventh", release="7"), sys.executable, tmp_path, {}, "")
    assert {answer["body"] for answer in served.answers} == {"/users/user-1/flags/checkout_button"}
    assert len(served.times) == cold_start.WARM
    assert served.init > 0 < served.before
    with pytest.raises(AssertionError, match=r"serves release \{'7'\}"):
        cold_start.run(cold_start.Case("a", "handlers.seventh", release="1"), sys.executable, tmp_path, {}, "")
    with pytest.raises(AssertionError, match="no key"):
        cold_start.run(cold_start.Case("a", "handlers.broken"), sys.executable, tmp_path, {}, "")


@contextmanager
def stalling(at: int, seconds: float) -> Iterator[int]:
    """A server that answers at once, but for one stall before its answer to request number `at`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        served, waiting = 0, [listener]
        while listener in waiting:
            for one in select.select(waiting, [], [])[0]:
                if one is listener:
                    waiting.append(listener.accept()[0])
                elif not one.recv(1 << 16):
                    waiting.remove(one)
                    one.close()
                    if len(waiting) == 1:
                        return
                else:
                    served += 1
                    time.sleep(seconds if served == at else 0)
                    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with listener:
        thread = Thread(target=run, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(20)


def test_a_stall_is_charged_to_all_who_were_due_meanwhile() -> None:
    """Also to users without a free connection, as a load that waits for answers would not."""
    rate, stall = 200, 0.5
    with stalling(at=20, seconds=stall) as port:
        took = paced.paced(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", rate, 2.0)
    assert len(took) == 400
    assert sum(one >= 0.1 for one in took) >= int((stall - 0.1) * rate) > paced.CONNECTIONS
    assert max(took) >= stall


def test_the_unleash_server_is_in_the_table_or_named_with_a_reason() -> None:
    reported = RESULTS["http"]["figures"]
    assert ("unleash-bulk" in reported["rows"]) is not bool(reported["missing"])
    page = bench.PAGE.read_text(encoding="utf-8")
    assert all(f"| {row['title']} |" in page for row in reported["rows"].values())
    assert all(f"{name}: {why}" in page for name, why in reported["missing"].items())


def test_the_published_ratios_are_of_the_published_rounds() -> None:
    reported = RESULTS["http"]["figures"]
    for title, (ours, theirs) in over_http.RATIOS.items():
        if {ours, theirs} <= reported["rows"].keys():
            rounds = zip(reported["rows"][ours]["rates"], reported["rows"][theirs]["rates"], strict=True)
            assert reported["ratios"][title]["rate"][0] == pytest.approx(median(a / b for a, b in rounds), abs=0.02)


def test_targets_stand_beside_the_cold_starts() -> None:
    page = bench.PAGE.read_text(encoding="utf-8")
    for case in cold_start.CASES:
        rows = re.findall(rf"^\| {re.escape(case.name)} \|.*$", page, re.MULTILINE)
        assert len(rows) == len(RESULTS["cold"]["figures"]["cases"]) == 2, "with byte code and without"
        assert all(row.split(" | ")[5].strip() == str(case.target or "") for row in rows)
