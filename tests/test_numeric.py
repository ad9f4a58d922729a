"""The one rule for numbers, at every way in: whole numbers keep their digits, and none is beyond a double."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature.evaluation_context import EvaluationContext
from starlette.testclient import TestClient

from burgee.evaluation.context import literal
from burgee.evaluation.ruleset import Ruleset
from burgee.events.recorder import Recorder
from burgee.events.records import RecordScope, Unacceptable, accept
from burgee.events.sinks import MemorySink
from burgee.flagfile.compile import compile_file
from burgee.importers.goff import import_goff
from burgee.numeric import LARGEST, is_number, misfit, parse_json, parse_number
from burgee.openfeature import BurgeeProvider
from burgee.releases.deploy import apply
from burgee.serving.serving import Serving
from burgee.stores import Origin
from burgee.stores.audit import AuditContext
from burgee.stores.sqlite import SqliteStore
from burgee.web.app import create_app
from burgee.web.front import Setup
from support.migrate import document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.cli import Burgee

MINE, OTHER = 1234567890123456789, 1234567890123456768
assert float(MINE) == float(OTHER), "a reader of doubles would take one for the other"
BIG = 9_223_372_036_854_775_807
BEYOND = ["1" + "0" * 309, "-1" + "0" * 400, "9" * 5000, "1e400", "-1E+999", str(LARGEST + 1)]
NAMES = [f"{text[:6]} of {len(text)}" for text in BEYOND]
FILE = f"""\
version: 1
flags:
  vip:
    status: on
    rules: [{{when: {{account: [{MINE}]}}, serve: on}}]
    default: {{serve: off}}
  limit:
    status: on
    variants: {{big: {BIG}, small: 1}}
    default: {{serve: big}}
"""


@given(st.integers(-LARGEST, LARGEST))
def test_whole_numbers_keep_every_digit(number: int) -> None:
    assert parse_number(str(number)) == number
    assert parse_json(f"[{number}]") == [number]
    assert literal(str(number)) == number


@given(st.from_regex(r"\A-?(0|[1-9][0-9]{0,400})(\.[0-9]{1,400})?([eE][-+]?[0-9]{1,4})?\Z"))
def test_other_numbers_are_the_nearest_double(text: str) -> None:
    """Against Python's own reader of literals, and exact fractions for where a double ends."""
    number = parse_number(text)
    assert number is not None
    whole = not set(text) & {".", "e", "E"}
    beyond = abs(Fraction(text)) > LARGEST if whole else abs(float(text)) == float("inf")
    assert is_number(number) is not beyond
    if not beyond:
        assert number == (Fraction(text) if whole else float(text))


@pytest.mark.parametrize(
    "text", ["", "-", "01", "+1", "1.", ".5", "1e", "0x1f", "1_000", " 1", "1\n", "\u0661", "NaN", "Infinity"]
)
def test_what_json_does_not_call_a_number_is_none(text: str) -> None:
    assert parse_number(text) is None
    assert literal(text) == text


@pytest.mark.parametrize("text", BEYOND, ids=NAMES)
def test_what_no_double_holds_is_found_with_its_place(text: str) -> None:
    value = parse_json(f'{{"a": [1, {{"b": {text}}}], "c": 1}}')
    assert misfit(value) == ("a", 1, "b")
    with pytest.raises(ValueError, match="out of range"):
        literal(text)


def test_python_s_own_numbers_are_judged_alike() -> None:
    odd: list[Any] = [float("nan"), float("inf"), -float("inf"), 10**400, 10**5000, True, None, "1", [1]]
    assert [is_number(value) for value in odd] == [False] * 9
    assert misfit({"a": True, "b": [10**400]}) == ("b", 0)
    assert misfit({"a": True, "b": [None, "x", 1.5, -3]}) is None


# The ways in, each with a number as it is written, to whether the account is the one that the file names.


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "flags.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


@pytest.fixture
def client(file: Path) -> Iterator[TestClient]:
    store = SqliteStore(":memory:")
    act = AuditContext("release.activate", "ci", "", time.time())
    apply(store, compile_file(file), Origin(commit="abc123"), act)
    app = create_app(store, Serving(store, refresh_seconds=0), Setup(recorder=Recorder(MemorySink())))
    yield TestClient(app)
    store.close()


@pytest.mark.parametrize(("account", "expected"), [(MINE, True), (OTHER, False)])
def test_every_way_in_distinguishes_two_accounts(
    file: Path, client: TestClient, burgee: Burgee, account: int, expected: bool
) -> None:
    assert Ruleset(compile_file(file)).evaluate("vip", {"account": account}).value is expected
    assert client.get(f"/users/ada/flags/vip?account={account}").json()["value"] is expected
    asked = client.post("/ofrep/v1/evaluate/flags/vip", json={"context": {"account": account}})
    assert asked.json()["value"] is expected
    assert burgee("eval", "vip", "--set", f"account={account}", "--json").json["value"] is expected
    provider = BurgeeProvider.from_file(file)
    context = EvaluationContext("ada", {"account": account})
    assert provider.resolve_boolean_details("vip", not expected, context).value is expected
    changed = client.put("/flags/vip", json={"rules": [{"when": {"id": account}, "serve": "on"}], "reason": "x"})
    assert changed.status_code == 200
    assert client.get(f"/users/ada/flags/vip?id={MINE}").json()["value"] is expected
    rules = f'{{"flag": {{"variations": {{"a": 1, "b": 2}}, "defaultRule": {{"variation": "a"}}, "targeting": [\
{{"query": "account eq {account}", "variation": "b"}}]}}}}'
    imported = import_goff(document(rules)).flags["flag"]
    assert imported["rules"][0]["when"] == {"account": account}
    # A report sums properties as doubles: an id is a string there, and a number that a double would round is refused.
    record = accept({**TRACK, "properties": {"account": str(account)}}, RecordScope(), 9e9)
    assert record["properties"] == {"account": str(account)}
    with pytest.raises(Unacceptable, match="account"):
        accept({**TRACK, "properties": {"account": account}}, RecordScope(), 9e9)


def test_a_value_keeps_its_digits_on_the_way_out(file: Path, client: TestClient) -> None:
    assert f'"value":{BIG}' in client.get("/users/ada/flags/limit").text
    assert f'"value":{BIG}' in client.post("/ofrep/v1/evaluate/flags/limit", json={"context": {}}).text
    details = BurgeeProvider.from_file(file).resolve_integer_details("limit", 0)
    assert (details.value, details.error_code) == (BIG, None)


TRACK = {"type": "track", "event_id": "1", "unit": "ada", "event": "paid"}


@pytest.mark.parametrize("number", BEYOND, ids=NAMES)
def test_every_way_in_refuses_what_no_double_holds(client: TestClient, burgee: Burgee, number: str) -> None:
    burgee.write(FILE.replace(str(BIG), number).replace(str(MINE), number))
    linted = burgee("lint")
    assert linted.code == 1
    found = [line.partition(" ")[0] for line in linted.err.splitlines() if " error number-range: " in line]
    assert found == ["flags.yaml:5:31:", "flags.yaml:9:21:"]
    assert linted.err.count(" error ") == 2
    burgee.write(FILE)
    asked = client.get("/users/ada/flags/vip", params={"account": number})
    assert (asked.status_code, "account: " in asked.json()["detail"]) == (422, True)
    body = f'{{"context": {{"targetingKey": "ada", "account": {number}}}}}'
    for key in ("", "/vip"):
        answered = client.post(f"/ofrep/v1/evaluate/flags{key}", content=body)
        assert (answered.status_code, answered.json()["errorCode"]) == (400, "INVALID_CONTEXT")
    for change in (
        f'{{"rollout_percentage": {number}}}',
        f'{{"variants": {{"a": {number}}}}}',
        f'{{"rules": [{{"when": {{"a": {number}}}}}]}}',
    ):
        written = client.put("/flags/vip", content=change, headers={"Content-Type": "application/json"})
        assert (written.status_code, written.json()["type"].rpartition("/")[2]) == (422, "invalid-json")
        assert "out of range at '/" in written.json()["detail"]
    assert burgee("eval", "vip", "--set", f"account={number}").code == 2
    burgee.write(f'{{"account": 1}}\n{{"account": {number}}}\n', "contexts.jsonl")
    counted = burgee("diff", "flags.yaml", "flags.yaml", "--contexts", "contexts.jsonl")
    assert counted.code == 1
    assert "contexts.jsonl:2: the number at account is out of range" in counted.err


@pytest.mark.parametrize("number", [*BEYOND, "NaN", "Infinity"], ids=[*NAMES, "NaN", "Infinity"])
def test_one_event_with_such_a_number_is_refused_and_the_others_are_kept(client: TestClient, number: str) -> None:
    good = json.dumps(TRACK)
    bad = good.replace("}", f', "properties": {{"amount": {number}}}}}')
    late = good.replace("}", f', "time": {number}}}')
    answered = client.post("/v1/events", content=f'{{"events": [{good}, {bad}, {late}, {good}]}}').json()
    assert answered["accepted"] == 2
    assert [one["index"] for one in answered["rejected"]] == [1, 2]
    assert "amount" in answered["rejected"][0]["error"]


@pytest.mark.parametrize(
    "number", [10**400, 10**5000, float("inf"), float("nan")], ids=["of 400", "of 5000", "inf", "nan"]
)
def test_numbers_of_the_application_itself_never_fail_it(file: Path, number: float) -> None:
    sink = MemorySink()
    recorder = Recorder(sink)
    recorder.tracked("paid", "ada", time.time(), {"amount": number})
    recorder.tracked("paid", "ada", time.time(), {"amount": 1})
    assert recorder.drain(10)
    assert [record["properties"] for record in sink.records] == [{"amount": "1"}]
    context = EvaluationContext("ada", {"account": number, "list": [number]})
    assert BurgeeProvider.from_file(file).resolve_boolean_details("vip", True, context).value is False
    ruleset = Ruleset({"format": 1, "flags": {"f": {"status": True, "rollout_percentage": 50, "bucket_by": "n"}}})
    assert ruleset.evaluate("f", {"n": number}).reason in {"ERROR", "SPLIT"}
