"""`burgee shadow`: two systems asked about the same contexts, and what is said about it."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
from pyarrow import Table
from pyarrow.parquet import write_table

import burgee as library
from burgee.flagfile.compile import compile_file
from burgee.serving.serving import Serving
from burgee.shadow import sources
from burgee.shadow.comparison import compare
from burgee.web.evaluation_app import evaluation_app
from support.http import handled, served

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

OLD = """\
version: 1
flags:
  checkout: {status: on, rollout_percentage: 30}
  banner: {status: on}
"""
NEW = OLD.replace("30", "31").replace("banner", "footer")
PEOPLE = [{"targetingKey": f"person-{number}@example.com"} for number in range(2_000)]


@pytest.fixture
def asked(burgee: Burgee) -> Burgee:
    burgee.write(OLD)
    burgee.write(NEW, "new.yaml")
    burgee.write("".join(json.dumps(one) + "\n" for one in PEOPLE), "contexts.jsonl")
    return burgee


def evaluated(path: Path) -> list[dict[str, Any]]:
    ruleset = library.load(path)
    return [{name: one.value for name, one in ruleset.evaluate_all(one).items()} for one in PEOPLE]


def test_every_difference_is_counted_by_what_came_for_what(asked: Burgee) -> None:
    ran = asked("shadow", "flags.yaml", "new.yaml", "--contexts", "contexts.jsonl", "--json")
    assert ran.code == 1
    pairs = list(zip(evaluated(asked.folder / "flags.yaml"), evaluated(asked.folder / "new.yaml"), strict=True))
    moved = [at for at, (old, new) in enumerate(pairs, 1) if old["checkout"] != new["checkout"]]
    assert ran.json["verdict"] == "different"
    flags = ran.json["result"]["flags"]
    assert flags["checkout"]["differences"] == [
        {"old": "false", "new": "true", "count": len(moved), "first_context": moved[0]}
    ]
    assert flags["banner"]["differences"] == [
        {"old": "true", "new": "unknown flag", "count": len(PEOPLE), "first_context": 1}
    ]
    assert ran.json["result"]["only_in_new"] == ["footer"]
    shown = asked("shadow", "flags.yaml", "new.yaml", "--contexts", "contexts.jsonl")
    assert f"checkout: {len(moved)} of 2,000 differ" in shown.out
    assert "only in new.yaml, not compared: footer" in shown.out


def test_a_certificate_names_its_inputs_and_nobody(asked: Burgee) -> None:
    ran = asked("shadow", "flags.yaml", "flags.yaml", "--contexts", "contexts.jsonl", "--certificate", "c.json")
    assert ran.code == 0
    assert "2,000 contexts: the same answers for 2 flags" in ran.out
    text = (asked.folder / "c.json").read_text(encoding="utf-8")
    made = json.loads(text)
    contexts = (asked.folder / "contexts.jsonl").read_bytes()
    assert made["verdict"] == "same"
    assert made["contexts"] == {"source": "contexts.jsonl", "sha256": hashlib.sha256(contexts).hexdigest()}
    assert made["old"] == made["new"]
    assert len(made["old"]["sha256"]) == 64
    assert asked("shadow", "new.yaml", "--contexts", "contexts.jsonl", "--certificate", "d.json").code == 1
    other = json.loads((asked.folder / "d.json").read_text(encoding="utf-8"))
    assert other["new"] == {**made["new"], "source": "flags.yaml"}
    assert other["old"]["sha256"] != made["old"]["sha256"]
    assert "example.com" not in text + json.dumps(other)
    asked("shadow", "new.yaml", "--contexts", "contexts.jsonl", "--certificate", "e.json", "--examples")
    assert "example.com" in (asked.folder / "e.json").read_text(encoding="utf-8")


def test_recorded_answers_of_an_sdk_are_compared_with_a_file(asked: Burgee) -> None:
    answers = evaluated(asked.folder / "flags.yaml")
    records = [{"context": one, "answers": had} for one, had in zip(PEOPLE, answers, strict=True)]
    records[7]["answers"]["checkout"] = not records[7]["answers"]["checkout"]
    del records[8]["answers"]["banner"]
    asked.write("\n".join(json.dumps(one) for one in records), "answers.jsonl")
    for sides in (("answers.jsonl", "flags.yaml"), ("answers.jsonl",)):
        ran = asked("shadow", *sides, "--json")
        flags = ran.json["result"]["flags"]
        assert [one["first_context"] for one in flags["checkout"]["differences"]] == [8]
        assert flags["banner"] == {"compared": 1_999, "differing": 0, "differences": []}
        assert ran.json["contexts"]["source"] == "answers.jsonl"
    assert asked("shadow", "flags.yaml", "answers.jsonl", "--json").json["result"]["differing_contexts"] == 2
    assert "has the contexts already" in asked("shadow", "answers.jsonl", "--contexts", "contexts.jsonl").err
    assert "both sides are files" in asked("shadow", "answers.jsonl", "answers.jsonl").err
    asked.write('{"context": {}, "answers": {}}\n{"context": {}}\n', "bad.jsonl")
    assert "bad.jsonl: record 2 is not" in asked("shadow", "bad.jsonl").out


def test_contexts_of_parquet_are_those_of_jsonl(asked: Burgee) -> None:
    write_table(Table.from_pylist(PEOPLE), asked.folder / "contexts.parquet")
    found = [
        asked("shadow", "new.yaml", "--contexts", f"contexts.{kind}", "--json").json["result"]
        for kind in ("jsonl", "parquet")
    ]
    assert found[0] == found[1]


def test_a_service_is_compared_with_a_file(asked: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0.0)
    few = "".join(json.dumps(one) + "\n" for one in PEOPLE[:100])
    asked.write(few, "few.jsonl")
    with served(evaluation_app(Serving(bundled=compile_file(asked.folder / "flags.yaml", None)))) as base:
        ran = asked("shadow", base, "--contexts", "few.jsonl", "--json")
        assert (ran.code, ran.json["verdict"]) == (0, "same"), ran
        assert ran.json["old"] == {"source": base, "sha256": None}
        assert asked("shadow", base, "new.yaml", "--contexts", "few.jsonl").code == 1
    ran = asked("shadow", base, "--contexts", "few.jsonl")
    assert ran.code == 1
    assert "stopped after 50 contexts" in ran.out
    assert "50 not answered: old: ConnectionRefusedError" in ran.out
    assert "does not show that all are the same" in ran.out


def test_ctrl_c_ends_a_wait_for_a_service_that_hangs(asked: Burgee) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        silent.settimeout(60)
        # A process of a shell's background ignores the signal, and hands that on.
        heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
        command = [sys.executable, "-c", f"{heeding}; from burgee.cli import main; main()", "shadow", address]
        command += ["--contexts", "contexts.jsonl"]
        ran = subprocess.Popen(command, cwd=asked.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(65_536)  # it is asked, and never answers
            ran.send_signal(signal.SIGINT)
            out, err = ran.communicate(timeout=60)
    assert ran.returncode == 1, err
    assert "stopped after 0 contexts" in out


def test_a_certificate_repeats_nothing_that_was_planted(asked: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither units nor attributes, which a service may write into its errors, nor a secret of an address."""
    monkeypatch.setattr(sources, "PAUSE_SECONDS", 0.0)
    people = [{"targetingKey": f"planted-{one}@example.com", "plan": f"planted-plan-{one}"} for one in range(30)]
    asked.write("".join(json.dumps(one) + "\n" for one in people) + '{"targetingKey": "planted', "planted.jsonl")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            context = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["context"]
            number = int(context["plan"].rpartition("-")[2])
            flag = {"key": "checkout", "errorCode": context["targetingKey"], "errorDetails": str(context)}
            data = json.dumps({"flags": [flag], **context}).encode()
            self.send_response((200, 400, 500)[number % 3], context["plan"])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Nothing is logged."""

    with handled(Handler) as base:
        ran = asked(
            "shadow", base, "--contexts", "planted.jsonl", "--certificate", "c.json", "--old-key", "planted-key"
        )
        assert ran.code == 1
        assert "planted.jsonl:31: this is not JSON" in ran.out
        refused = asked("shadow", base.replace("//", "//ada:planted-word@"), "--contexts", "planted.jsonl")
        assert "BURGEE_SHADOW_OLD_KEY" in refused.err
        assert "planted-word" not in refused.out + refused.err
    text = (asked.folder / "c.json").read_text(encoding="utf-8")
    assert "planted" not in text.replace('"planted.jsonl"', "")
    made = json.loads(text)["result"]
    assert (made["contexts"], made["unreadable_records"]) == (30, 1)
    assert sorted(one["fault"] for one in made["unanswered"]) == ["old: status 400", "old: status 500"]
    assert "planted" not in ran.out.replace("planted.jsonl", "")


def test_broken_and_missing_lines_are_counted_and_the_others_compared(asked: Burgee) -> None:
    good = [json.dumps(one) for one in PEOPLE[:100]]
    lines = [*good[:50], "{", "", "[]", '{"age": 1e999}', '{"a": "' + "x" * 1_100_000 + '"}', *good[50:], '{"torn']
    asked.write("\n".join(lines), "torn.jsonl")
    ran = asked("shadow", "flags.yaml", "flags.yaml", "--contexts", "torn.jsonl", "--json")
    assert (ran.code, ran.json["verdict"], ran.json["at_most"]) == (1, "incomplete", None)
    assert (ran.json["result"]["contexts"], ran.json["result"]["unreadable_records"]) == (100, 5)
    shown = asked("shadow", "flags.yaml", "flags.yaml", "--contexts", "torn.jsonl").out
    assert "5 left out, no context: first torn.jsonl:51: this is not JSON" in shown
    asked.write("\n".join(lines[52:55]) + "\n{", "faulty.jsonl")
    assert "faulty.jsonl:1: a context is an object" in asked("shadow", "flags.yaml", "--contexts", "faulty.jsonl").err


def test_answers_of_any_shape_are_compared_or_counted(asked: Burgee) -> None:
    """Long texts, halves of surrogate pairs, and nesting too deep to compare."""
    long, half, deep = '"' + "x" * 5_000 + '"', '"\\ud800"', "[" * 400 + "]" * 400
    answers = [long, long.replace("x", "y"), half, deep, f'{{"a":{deep[1:-1]}}}', "[" * 900 + "]" * 900]
    records = [f'{{"context": {{"targetingKey": "a"}}, "answers": {{"checkout": {one}}}}}' for one in answers]
    asked.write("\n".join(records), "answers.jsonl")
    ran = asked("shadow", "answers.jsonl", "--certificate", "c.json")
    assert (ran.code, "Traceback" in ran.err) == (1, False)
    made = json.loads((asked.folder / "c.json").read_text(encoding="utf-8"))["result"]
    kinds = [one["old"] for one in made["flags"]["checkout"]["differences"]]
    left = made["unreadable_records"] + sum(one["count"] for one in made["unanswered"])
    assert len(set(kinds)) + left == len(records)
    assert max(map(len, kinds)) < 1_100
    assert '"\\ud800"' in kinds


def test_flags_may_be_compared_alone(asked: Burgee) -> None:
    """So that a flag that was left behind does not hide that the others are the same."""
    words = ("shadow", "flags.yaml", "new.yaml", "--contexts", "contexts.jsonl", "--json", "--only")
    asked.write(NEW.replace("31", "30"), "new.yaml")
    ran = asked(*words, "checkout")
    assert (ran.code, ran.json["verdict"], ran.json["only"]) == (0, "same", ["checkout"])
    assert list(ran.json["result"]["flags"]) == ["checkout"]
    assert asked(*words, "banner").json["verdict"] == "different"
    for unknown in ("footer", "nosuch"):
        assert asked(*words, "checkout", "--only", unknown).json["verdict"] == "incomplete"
    assert "neither answered: nosuch" in asked(*words[:-2], "--only", "nosuch").out


def test_flags_that_were_rarely_answered_are_named(asked: Burgee) -> None:
    answers = evaluated(asked.folder / "flags.yaml")
    records = [{"context": one, "answers": had} for one, had in zip(PEOPLE, answers, strict=True)]
    for one in records[10:]:
        del one["answers"]["banner"]
    asked.write("\n".join(json.dumps(one) for one in records), "answers.jsonl")
    assert "banner: answers.jsonl answered it for 10 contexts only" in asked("shadow", "answers.jsonl").out


def test_contexts_that_change_while_they_are_read_have_no_digest(
    asked: Burgee, monkeypatch: pytest.MonkeyPatch
) -> None:
    def appending(*given: Any) -> bool:
        with (asked.folder / "contexts.jsonl").open("a", encoding="utf-8") as file:
            file.write('{"targetingKey": "late"}\n')
        return compare(*given)

    monkeypatch.setattr("burgee.cli.shadowing.compare", appending)
    ran = asked("shadow", "flags.yaml", "flags.yaml", "--contexts", "contexts.jsonl", "--json")
    assert (ran.code, ran.json["verdict"], ran.json["contexts"]["sha256"]) == (1, "incomplete", None)


def test_a_certificate_that_cannot_be_written_costs_no_result(asked: Burgee) -> None:
    words = ("shadow", "flags.yaml", "flags.yaml", "--contexts", "contexts.jsonl", "--certificate")
    assert "there is no folder nowhere" in " ".join(asked(*words, "nowhere/c.json").err.replace("│", " ").split())
    (asked.folder / "folder").mkdir()
    ran = asked(*words[:-1], "--certificate", "folder")
    assert ran.code == 2


def test_standard_input_is_followed_line_by_line(asked: Burgee, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(io.BytesIO):
        """Ends as when Ctrl-C is pressed."""

        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            if not line:
                raise KeyboardInterrupt
            return line

    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": Interrupted(b'{"targetingKey": "a"}\n' * 3)})())
    ran = asked("shadow", "flags.yaml", "flags.yaml", "--contexts", "-", "--json")
    assert ran.code == 1
    assert ran.json["verdict"] == "incomplete"
    assert ran.json["result"]["contexts"] == 3
    assert ran.json["contexts"] == {"source": "standard input", "sha256": None}
    assert ran.json["at_most"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["flags.yaml"], "--contexts"),
        (["flags.yaml", "--contexts", "nowhere.jsonl"], "nowhere.jsonl is not a regular file"),
        (["nowhere.jsonl"], "there is no nowhere.jsonl"),
        (["flags.yaml", "--contexts", "empty.jsonl"], "empty.jsonl has no contexts"),
        (["flags.yaml", "--contexts", "torn.jsonl"], "torn.jsonl:1: this is not JSON"),
        (["flags.yaml", "broken.yaml", "--contexts", "contexts.jsonl"], "broken.yaml:3"),
    ],
)
def test_what_cannot_be_compared_is_named(asked: Burgee, words: list[str], said: str) -> None:
    asked.write("", "empty.jsonl")
    asked.write('{"targetingK', "torn.jsonl")
    asked.write("version: 1\nflags:\n  checkout: {status: perhaps}\n", "broken.yaml")
    ran = asked("shadow", *words)
    assert ran.code != 0
    assert said in " ".join(ran.err.replace("│", " ").split())
