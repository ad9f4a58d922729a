"""The alarms on this project's own metrics watch what the deployed handlers write when callers see failures."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from burgee.access.keys import Kind
from burgee.serving.bundle import Bundle, dump_bundle
from burgee.stores import Origin
from burgee.stores.dynamodb import DynamoDbStore
from support.dynamodb import CREDENTIALS, wire_url
from support.keys import ALL, token
from support.lambda_runtime import FUNCTIONS, emulator, event, function
from support.template import alarms, template

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.sam
runs = pytest.mark.skipif(emulator() is None, reason="the runtime interface emulator runs on Linux x86_64")

BROKEN = "\n\ndef _raise(*_: object) -> None:\n    raise RuntimeError('broken')\n\n\nRuleset.evaluate = _raise\n"
SNAPSHOT = {
    "format": 1,
    "environment": None,
    "flags": {"checkout_button": {"status": True}},
    "segments": {},
    "holdouts": {},
}
ROUNDS = "stack-GuardRoundsFunction-1"
NAMES = {"evaluate": "stack-EvaluateFunction-1", "manage": "stack-ManageFunction-1"}


def values(dimensions: dict[str, Any]) -> dict[str, str]:
    """An alarm's dimensions as they are once the stack is deployed."""
    known = {
        "GuardRoundsFunction": ROUNDS,
        "EvaluateFunction": NAMES["evaluate"],
        "ManageFunction": NAMES["manage"],
        "Project": "shop",
    }
    return {name: known[one["Ref"]] if "Ref" in one else "production" for name, one in dimensions.items()}


def metric(log: str, alarm: dict[str, Any]) -> list[float]:
    """What CloudWatch takes from a log for the metric that an alarm names, with its dimensions and no others."""
    found = []
    for record in (json.loads(line) for line in log.splitlines() if line.startswith('{"_aws"')):
        for directive in record["_aws"]["CloudWatchMetrics"]:
            named = alarm["MetricName"] in [one["Name"] for one in directive["Metrics"]]
            dimensions = [{name: record[name] for name in names} for names in directive["Dimensions"]]
            if named and directive["Namespace"] == "Burgee" and values(alarm["Dimensions"]) in dimensions:
                found.append(record[alarm["MetricName"]])
    return found


@pytest.fixture
def environment() -> dict[str, str]:
    return {
        **CREDENTIALS,
        "AWS_ENDPOINT_URL": wire_url(),
        "BURGEE_TABLE": "alarms",
        "BURGEE_PROJECT": "shop",
        "BURGEE_ENVIRONMENT": "production",
    }


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDbStore]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    from burgee.stores import Tenant

    store = DynamoDbStore("alarms", Tenant("shop", "production"), endpoint_url=wire_url())
    store.create_table()
    yield store
    store.close()


def package(folder: Path) -> Path:
    """The handlers with a release that evaluation fails on, as `sam build` lays them out."""
    code = folder / "package"
    shutil.copytree(FUNCTIONS, code, ignore=shutil.ignore_patterns("__pycache__", "release.json"))
    with (code / "burgee/evaluation/ruleset.py").open("a", encoding="utf-8") as module:
        module.write(BROKEN)
    (code / "release.json").write_bytes(dump_bundle(Bundle(SNAPSHOT, Origin())))
    return code


@runs
@pytest.mark.parametrize(("handler", "alarm"), [("evaluate", "EvaluateFailures"), ("manage", "ManageFailures")])
def test_evaluation_that_fails_moves_the_metric_that_the_alarm_names(
    tmp_path: Path, store: DynamoDbStore, environment: dict[str, str], handler: str, alarm: str
) -> None:
    """Also the last failure before a function is frozen, which no later request could report."""
    log = tmp_path / "log"
    ask = event("http-api-user-flag")
    ask["headers"]["x-api-key"] = token(store, Kind.ADMIN, *ALL)
    named = {**environment, "AWS_LAMBDA_FUNCTION_NAME": NAMES[handler]}
    with function(f"burgee.handlers.{handler}.handler", package(tmp_path), log, named) as running:
        assert running(event("http-api-health"))["statusCode"] == 200
        assert [running(ask)["statusCode"] for _ in range(3)] == [500] * 3
        text = log.read_text(encoding="utf-8")
    counted = metric(text, alarms("Burgee")[alarm])
    assert (counted[0], sum(counted)) == (0, 3)


@runs
def test_a_failure_before_it_is_known_who_asks_is_counted_too(tmp_path: Path, environment: dict[str, str]) -> None:
    log = tmp_path / "log"
    named = {**environment, "AWS_LAMBDA_FUNCTION_NAME": NAMES["evaluate"], "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    ask = event("http-api-user-flag")
    ask["headers"]["x-api-key"] = f"burgee_server_shop/production_{'0' * 16}_{'0' * 64}"
    with function("burgee.handlers.evaluate.handler", package(tmp_path), log, named) as running:
        assert running(ask)["statusCode"] == 503
        text = log.read_text(encoding="utf-8")
    assert sum(metric(text, alarms("Burgee")["EvaluateFailures"])) == 1


@runs
@pytest.mark.usefixtures("store")
def test_every_alarm_on_our_metrics_names_one_that_is_written(tmp_path: Path, environment: dict[str, str]) -> None:
    log = tmp_path / "log"
    text = ""
    asked = dict.fromkeys(NAMES, event("http-api-health")) | {"guard_rounds": {"source": "aws.events"}}
    for handler, name in {**NAMES, "guard_rounds": ROUNDS}.items():
        named = {**environment, "BURGEE_ACCESS": "open", "AWS_LAMBDA_FUNCTION_NAME": name}
        with function(f"burgee.handlers.{handler}.handler", package(tmp_path / handler), log, named) as running:
            running(asked[handler])
            text += log.read_text(encoding="utf-8")
    watched = alarms("Burgee")
    assert set(watched) == {"EvaluateFailures", "ManageFailures", "GuardRoundsFailures", "OldRuleset"}
    for name, alarm in watched.items():
        assert metric(text, alarm), name


def test_a_canary_goes_back_when_evaluations_fail_and_when_they_get_no_answer() -> None:
    pattern = template()["Resources"]["GuardFunction"]["Properties"]["Events"]["Alarm"]["Properties"]["Pattern"]
    listed = json.dumps(pattern["detail"]["alarmName"])
    assert '{"Ref": "EvaluateFailures"}' in listed
    assert '{"Ref": "EvaluateErrors"}' in listed
    assert '{"Ref": "BakeAlarms"}' in listed
