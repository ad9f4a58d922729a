"""`sam deploy` of the whole template into MiniStack: a release, an update, a refused update, a deletion."""

from __future__ import annotations

import json
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import ibis
import pytest
from botocore.session import get_session

from burgee.analysis.tables import records
from burgee.errors import Refused
from burgee.times import format_time
from support.build import BIN, build, project, python_3_13, run
from support.dynamodb import CREDENTIALS, ministack
from support.lambda_runtime import event

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(python_3_13() is None, reason="no Python 3.13, which is Lambda's"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An emulator under Python 3.13, because it runs functions with the Python that it runs in."""
    folder = tmp_path_factory.mktemp("emulator")
    python = folder / "venv/bin/python"
    made = run(str(BIN / "uv"), "venv", "-q", "--python", str(python_3_13()), str(folder / "venv"))
    assert made.returncode == 0, made.stderr
    installed = run(str(BIN / "uv"), "pip", "install", "-q", "--python", str(python), "ministack[full]==1.5.33")
    assert installed.returncode == 0, installed.stderr
    with ministack(folder, services="", python=str(python)) as address:
        yield address


class Stack:
    """The stack, and what a person does to it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self._environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": url}
        self._session = get_session()
        self._session.set_credentials("test", "test")
        self._url = url

    def client(self, service: str) -> Any:
        region = CREDENTIALS["AWS_DEFAULT_REGION"]
        return self._session.create_client(service, region_name=region, endpoint_url=self._url)

    def deploy(self, *more: str) -> subprocess.CompletedProcess[str]:
        build(self.folder)
        options = ["--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"]
        return self.sam("deploy", *options, *more)

    def sam(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "sam"), *arguments, "--stack-name", "flags"]
        return run(*command, cwd=self.folder, **self._environment)

    def burgee(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        table = ["--table", self.output("Table"), "--endpoint-url", self._url]
        return run(str(BIN / "burgee"), *arguments, *table, cwd=self.folder, **self._environment)

    def output(self, key: str) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName="flags")["Stacks"]
        return str({one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}[key])

    def status(self) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName="flags")["Stacks"]
        return str(stack["StackStatus"])

    def reasons(self) -> list[str]:
        events = self.client("cloudformation").describe_stack_events(StackName="flags")["StackEvents"]
        return [one.get("ResourceStatusReason", "") for one in events]

    def physical(self, resource: str) -> str:
        resources = self.client("cloudformation").describe_stack_resources(StackName="flags")["StackResources"]
        (name,) = [one["PhysicalResourceId"] for one in resources if one["LogicalResourceId"] == resource]
        return str(name)

    def invoke(self, function: str, payload: Any) -> Any:
        name = self.physical(function)
        answered = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload).encode())
        return json.loads(answered["Payload"].read())

    def ring(self, alarm: str) -> Any:
        """What CloudWatch tells EventBridge, if the stack has a rule for it; the emulator sends none itself."""
        state = {"value": "ALARM", "timestamp": format_time(time.time() + 1).replace("Z", "+0000")}
        told = {
            "id": "1",
            "account": "123456789012",
            "time": "2027-01-01T00:00:00Z",
            "region": "eu-west-1",
            "resources": [],
            "source": "aws.cloudwatch",
            "detail-type": "CloudWatch Alarm State Change",
            "detail": {"alarmName": alarm, "state": state, "previousState": {"value": "OK"}},
        }
        (rule,) = self.client("events").list_rules()["Rules"]
        matched = self.client("events").test_event_pattern(EventPattern=rule["EventPattern"], Event=json.dumps(told))
        return self.invoke("GuardFunction", told) if matched["Result"] else None

    def audit(self) -> Any:
        return self.manage("/audit")

    def manage(self, path: str) -> Any:
        """What the managing function answers to a signed request; without a signature nothing."""
        asked = event("http-api-releases")
        asked["rawPath"] = asked["requestContext"]["http"]["path"] = path
        assert self.invoke("ManageFunction", asked)["statusCode"] == 401
        asked["requestContext"]["authorizer"] = {"iam": {"userArn": "arn:aws:iam::123456789012:user/ada"}}
        return json.loads(self.invoke("ManageFunction", asked)["body"])

    def health(self) -> Any:
        asked = event("http-api-health")
        asked["headers"]["x-api-key"] = self.key()
        return json.loads(self.invoke("EvaluateFunction", asked)["body"])

    def edit(self, old: str, new: str) -> None:
        path = self.folder / "flags.yaml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def flags(self) -> dict[str, Any]:
        asked = event("http-api-user-flags")
        assert self.invoke("EvaluateFunction", asked)["statusCode"] == 401
        asked["headers"]["authorization"] = f"Bearer {self.key()}"
        answered = self.invoke("EvaluateFunction", asked)
        return {flag["flag_name"]: flag for flag in json.loads(answered["body"])["flags"]}

    def asked(self, user: str, flag: str, key: str) -> Any:
        """What the evaluating function answers about one flag."""
        asked = event("http-api-user-flag")
        asked["rawPath"] = asked["requestContext"]["http"]["path"] = f"/users/{user}/flags/{flag}"
        asked["headers"]["x-api-key"] = key
        return self.invoke("EvaluateFunction", asked)

    def watched(self, alarm: str) -> tuple[str, list[float]]:
        """An alarm's state, once its metric was taken from the logs, as CloudWatch takes it, and what was taken."""
        metrics, name = self.client("cloudwatch"), self.physical(alarm)
        (found,) = metrics.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        dimensions = {one["Name"]: one["Value"] for one in found["Dimensions"]}
        taken = []
        for line in self.log("EvaluateLogs"):
            record = json.loads(line) if line.startswith('{"_aws"') else {"_aws": {"CloudWatchMetrics": []}}
            for directive in record["_aws"]["CloudWatchMetrics"]:
                named = found["MetricName"] in [one["Name"] for one in directive["Metrics"]]
                theirs = [{key: record[key] for key in keys} for keys in directive["Dimensions"]]
                if named and directive["Namespace"] == found["Namespace"] and dimensions in theirs:
                    taken.append(record[found["MetricName"]])
        if taken:
            data = {"MetricName": found["MetricName"], "Dimensions": found["Dimensions"], "Value": sum(taken)}
            metrics.put_metric_data(Namespace=found["Namespace"], MetricData=[data])
        (found,) = metrics.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return found["StateValue"], taken

    def log(self, group: str) -> list[str]:
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=self.physical(group))
        return [line for page in pages for one in page["events"] for line in one["message"].splitlines()]

    def key(self) -> str:
        made = self.burgee("keys", "create", "server")
        assert made.returncode == 0, made.stderr
        return made.stdout.strip()

    def live(self) -> int:
        return int(json.loads(self.burgee("history", "--json").stdout)["current"])


def test_the_life_of_a_stack(url: str, tmp_path: Path) -> None:
    stack = Stack(project(tmp_path), url)

    first = stack.deploy()
    assert first.returncode == 0, first.stdout + first.stderr
    health = stack.health()
    assert (health["source"], health["release"]["version"], health["error"]) == ("store", 1, None)
    assert stack.flags()["dark_mode"]["description"] == "Enable dark mode UI"
    assert stack.manage("/releases")["current"] == 1

    stack.edit("Enable dark mode UI", "Dark at night")
    second = stack.deploy()
    assert second.returncode == 0, second.stdout + second.stderr
    assert stack.live() == 2
    assert stack.burgee("status").returncode == 0

    again = stack.deploy("--no-fail-on-empty-changeset")
    assert again.returncode == 0, again.stdout + again.stderr
    assert stack.live() == 2

    laid = stack.burgee("override", "set", "dark_mode", "status=off", "--reason", "it blinks")
    assert laid.returncode == 0, laid.stderr
    stack.edit("Dark at night", "Dark always")
    refused = stack.deploy()
    assert refused.returncode != 0
    reasons = " ".join(stack.reasons())
    assert "dark_mode: Git changed since" in reasons
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.live() == 2
    assert "dark_mode" in stack.burgee("override", "list").stdout

    decided = stack.deploy("--parameter-overrides", "Overrides=discard")
    assert decided.returncode == 0, decided.stdout + decided.stderr
    assert stack.live() == 3
    assert "no overrides" in stack.burgee("override", "list").stdout

    stack.edit("Dark always", "Dark or not")
    tried = stack.deploy("--parameter-overrides", "Canary=10", "Bake=1h", "BakeAlarms=orders-low,orders-odd")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "release 4 is a canary: 10 % of users" in stack.burgee("status").stdout
    assert stack.ring("somebody-elses") is None
    assert stack.ring("orders-low")["release"] == 3
    assert stack.live() == 3
    assert '"release.withdraw"' in json.dumps(stack.audit())

    stack.edit("Dark or not", "Dark all the same")
    laid = stack.burgee("override", "set", "beta_search", "status=off", "--reason", "slow")
    assert laid.returncode == 0, laid.stderr
    stack.edit("New search algorithm", "Another search")
    assert stack.deploy().returncode != 0
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.live() == 3, "a stack that rolls back does not bring back what the alarm took"

    table = stack.output("Table")
    deleted = stack.sam("delete", "--no-prompts")
    assert deleted.returncode == 0, deleted.stdout + deleted.stderr
    kept = stack.client("dynamodb").describe_table(TableName=table)["Table"]
    assert kept["ItemCount"] > 5 or stack.client("dynamodb").scan(TableName=table, Select="COUNT")["Count"] > 5


FRAGILE = """

_evaluate = Ruleset.evaluate


def _fragile(self: Ruleset, flag: str, *rest: Any) -> Evaluation:
    if (self.definition(flag) or {}).get("description") == "raises":
        raise RuntimeError("evaluation is broken")
    return _evaluate(self, flag, *rest)


Ruleset.evaluate = _fragile
"""


def test_a_canary_whose_evaluation_fails_is_taken_back(url: str, tmp_path: Path) -> None:
    stack = Stack(project(tmp_path), url)
    with (stack.folder / "functions/burgee/evaluation/ruleset.py").open("a", encoding="utf-8") as module:
        module.write(FRAGILE)
    made = stack.deploy("--parameter-overrides", "RefreshSeconds=1")
    assert made.returncode == 0, made.stdout + made.stderr
    key, users = stack.key(), [f"user-{number}" for number in range(20)]

    def statuses() -> set[int]:
        return {stack.asked(user, "dark_mode", key)["statusCode"] for user in users}

    assert statuses() == {200}
    assert stack.watched("EvaluateFailures")[0] == "OK"

    stack.edit("Enable dark mode UI", "raises")
    tried = stack.deploy("--parameter-overrides", "RefreshSeconds=1", "Canary=50", "Bake=1h")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    before = stack.live()
    time.sleep(2)
    assert statuses() == {200, 500}
    state, failures = stack.watched("EvaluateFailures")
    assert (state, sum(failures) > 0) == ("ALARM", True)

    assert stack.ring(stack.physical("EvaluateFailures"))["release"] == before - 1
    assert stack.live() == before - 1
    time.sleep(2)
    assert statuses() == {200}
    assert stack.sam("delete", "--no-prompts").returncode == 0


def test_a_stack_that_records(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator makes a Parquet file of each record of the stream, and takes one line in each alone."""
    stack = Stack(project(tmp_path), url)
    made = stack.deploy("--parameter-overrides", "Recording=true", "UnitSecret=1:not-a-real-secret")
    assert made.returncode == 0, made.stdout + made.stderr
    key = stack.key()

    def asked(name: str, query: str = "", body: Any = None) -> Any:
        found = event(name)
        found["headers"] |= {"x-api-key": key, "content-type": "application/json"}
        found["rawQueryString"] = query
        if body is not None:
            found["rawPath"] = found["requestContext"]["http"]["path"] = "/v1/events"
            found["requestContext"]["http"]["method"] = "POST"
            found["body"] = json.dumps({"events": [body]})
        answered = stack.invoke("EvaluateFunction", found)
        assert answered["statusCode"] == 200, answered
        return json.loads(answered["body"])

    order = {"type": "track", "event_id": "o1", "unit": "user-1", "event": "order", "properties": {"amount": 12.5}}
    told = asked("http-api-user-flag", "expose=true")
    assert asked("http-api-user-flag", body=order) == {"accepted": 1, "rejected": []}

    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    rows = arriving(f"s3://{stack.output('EventBucket')}/events", 2)
    shown, tracked = sorted(rows, key=lambda row: str(row["type"]))
    assert (shown["topic"], shown["variant"], shown["rule"]) == ("checkout_button", told["variant"], None)
    assert (tracked["topic"], tracked["event"]) == ("_track", "order")
    assert dict(tracked["properties"]) == {"amount": "12.5"}
    assert shown["unit"] == tracked["unit"] != "user-1"

    stack.client("firehose").delete_delivery_stream(DeliveryStreamName=stack.physical("EventStream"))
    assert asked("http-api-user-flag", body={**order, "event_id": "o2"})["accepted"] == 1
    (message,) = stack.client("sqs").receive_message(QueueUrl=stack.output("DeadLetters"))["Messages"]
    assert json.loads(message["Body"])["event_id"] == "o2"
    assert stack.sam("delete", "--no-prompts").returncode == 0


def arriving(place: str, count: int) -> list[dict[str, Any]]:
    """The records of a bucket, once there are so many."""
    deadline = time.monotonic() + 60
    connection = ibis.duckdb.connect()
    while True:
        try:
            rows: list[dict[str, Any]] = connection.to_pyarrow(records(connection, place)).to_pylist()
        except Refused:
            rows = []
        if len(rows) == count:
            return rows
        assert time.monotonic() < deadline, rows
        time.sleep(0.5)


def test_the_same_input_makes_the_same_bytes_in_any_folder(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    before = contents(build(project(here)))
    assert contents(build(project(there))) == before


def test_the_functions_share_one_package(tmp_path: Path) -> None:
    packages = [contents(folder) for folder in build(project(tmp_path)).iterdir() if folder.is_dir()]
    assert len(packages) == 5
    assert all(package == packages[0] for package in packages)


def contents(folder: Path) -> dict[str, str]:
    """A digest of every file of a build."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}
