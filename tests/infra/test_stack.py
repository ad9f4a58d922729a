"""`sam deploy` of the whole template into MiniStack: a release, an update, a refused update, a deletion."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import ibis
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from burgee.analysis.tables import records
from burgee.errors import Refused
from burgee.events.guard_groups import COMPARED, REACHED
from burgee.web.live_sockets import KEY, SUBPROTOCOL
from support.athena import lake, translated
from support.build import BIN, build, project, python_3_13, run
from support.dynamodb import CREDENTIALS
from support.lambda_runtime import event
from support.stack import Stack, aws
from support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(python_3_13() is None, reason="no Python 3.13, which is Lambda's"),
]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with aws(tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator.url


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

    again = stack.deploy()
    assert again.returncode == 0, again.stdout + again.stderr
    assert stack.live() == 2

    laid = stack.burgee("override", "set", "dark_mode", "status=off", "--reason", "it blinks")
    assert laid.returncode == 0, laid.stderr
    stack.edit("Dark at night", "Dark always")
    refused = stack.deploy()
    assert refused.returncode != 0
    reasons = " ".join(stack.reasons())
    assert "dark_mode: changed in Git since" in reasons
    assert stack.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert stack.live() == 2
    assert "dark_mode" in stack.burgee("override", "list").stdout

    decided = stack.deploy("Overrides=discard")
    assert decided.returncode == 0, decided.stdout + decided.stderr
    assert stack.live() == 3
    assert "no overrides" in stack.burgee("override", "list").stdout

    stack.edit("Dark always", "Dark or not")
    tried = stack.deploy("Canary=10", "Bake=1h", "BakeAlarms=orders-low,orders-odd")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert "release 4 is a canary: 10 % of users" in stack.burgee("status").stdout
    assert stack.ring("another-stacks") is None
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


FIRST_PUBLISHED = "cdb5c86"
"""A commit whose stack is deployed somewhere; upgrading it must lose nothing."""


def test_the_stack_of_an_earlier_version_keeps_flags_keys_and_audit(url: str, tmp_path: Path) -> None:
    archive = tmp_path / "earlier.tar"
    made = run("git", "archive", "-o", str(archive), FIRST_PUBLISHED)
    if made.returncode != 0:
        pytest.skip(f"this clone does not reach back to {FIRST_PUBLISHED}")
    earlier = tmp_path / "earlier"
    shutil.unpack_archive(archive, earlier)
    (earlier / ".venv").symlink_to(BIN.parent)
    path = {"PYTHONPATH": str(earlier / "functions")}
    stack = Stack(earlier, url, "kept", **path)
    first = stack.deploy(load="")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "burgee.handlers" not in (earlier / "template.yaml").read_text(encoding="utf-8")
    key, table = stack.key(), stack.output("Table")
    laid = stack.burgee("override", "set", "beta_search", "rollout_percentage=100", "--reason", "all of them")
    assert laid.returncode == 0, laid.stderr
    users = [f"user-{number}" for number in range(10)]
    flags = ("dark_mode", "beta_search", "checkout_button")

    def answers(stack: Stack) -> Any:
        asked = [stack.asked(user, flag, key) for user in users for flag in flags]
        assert {one["statusCode"] for one in asked} == {200}
        return [{**json.loads(one["body"]), "status": None} for one in asked]

    before, logged, stateful = answers(stack), stack.audit()["entries"], stack.stateful()

    now = Stack(project(tmp_path), url, "kept")
    upgraded = now.deploy(load="")
    assert upgraded.returncode == 0, upgraded.stdout + upgraded.stderr
    assert (now.output("Table"), now.stateful()) == (table, stateful)
    assert answers(now) == before, "the key works, the release and the override answer as they did"
    after = now.audit()["entries"]
    assert [one["action"] for one in after[-len(logged) :]] == [one["action"] for one in logged]
    assert now.live() == 1, "the flags are not released again"
    listed = now.burgee("override", "list")
    assert "all of them" in listed.stdout
    assert now.burgee("keys", "list").stdout.count("server") >= 1
    assert now.sam("delete", "--no-prompts").returncode == 0


def test_a_canary_whose_evaluation_fails_is_taken_back(url: str, tmp_path: Path) -> None:
    stack = Stack(project(tmp_path), url)
    with (stack.folder / "functions/burgee/evaluation/ruleset.py").open("a", encoding="utf-8") as module:
        module.write(FRAGILE)
    made = stack.deploy("RefreshSeconds=1")
    assert made.returncode == 0, made.stdout + made.stderr
    key, users = stack.key(), [f"user-{number}" for number in range(20)]

    def statuses() -> set[int]:
        return {stack.asked(user, "dark_mode", key)["statusCode"] for user in users}

    assert statuses() == {200}
    assert stack.watched("EvaluateFailures")[0] == "OK"

    stack.edit("Enable dark mode UI", "raises")
    tried = stack.deploy("RefreshSeconds=1", "Canary=50", "Bake=1h")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    before = stack.live()
    eventually(lambda: statuses() == {200, 500})
    state, failures = stack.watched("EvaluateFailures")
    assert (state, sum(failures) > 0) == ("ALARM", True)

    assert stack.ring(stack.physical("EvaluateFailures"))["release"] == before - 1
    assert stack.live() == before - 1
    eventually(lambda: statuses() == {200})
    assert stack.sam("delete", "--no-prompts").returncode == 0


def test_a_stack_that_records(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator makes a Parquet file of each record of the stream, and takes one line in each alone."""
    stack = Stack(project(tmp_path), url)
    made = stack.deploy("Recording=true", "UnitSecret=1:not-a-real-secret")
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
    reported = asked("http-api-user-flag", "expose=true")
    assert asked("http-api-user-flag", body=order) == {"accepted": 1, "rejected": []}

    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    rows = arriving(f"s3://{stack.output('EventBucket')}/events", 2)
    shown, tracked = sorted(rows, key=lambda row: str(row["type"]))
    assert (shown["topic"], shown["variant"], shown["rule"]) == ("checkout_button", reported["variant"], None)
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
    connection = ibis.duckdb.connect()
    rows: list[dict[str, Any]] = []

    def arrived() -> bool:
        with suppress(Refused):
            rows[:] = connection.to_pyarrow(records(connection, place)).to_pylist()
        return len(rows) == count

    eventually(arrived, lambda: f"{len(rows)} of {count} records: {rows}")
    return rows


GUARDED = """\
version: 1
metrics:
  errors: {event: request_failed, kind: proportion, direction: decrease, window: 10s}
  spent: {event: order_placed, kind: mean, value: amount, winsorise: 99, window: 10s}
flags:
  checkout:
    status: on
    rollout_percentage: 0
    guard:
      steps: [10, 50, 100]
      hold: 40s
      minimum: 50
      guardrails: {errors: {margin: 20}}
      signals: {spent: {margin: 50}}
  search:
    status: on
    rollout_percentage: 0
    guard: {steps: [10, 100], hold: 1h, alarms: [checkout-5xx]}
"""


def test_a_stack_that_runs_guards(url: str, tmp_path: Path) -> None:
    """The deployed function, its table and alarms, and records in the stack's bucket and Glue table.

    The emulator's Athena is DuckDB, which gets the queries in its own dialect. It neither prunes partitions nor
    counts bytes, checks no role, and sends no alarm to EventBridge.
    """
    stack = Stack(project(tmp_path), url, "guarded")
    (stack.folder / "flags.yaml").write_text(GUARDED, encoding="utf-8")
    made = stack.deploy("Recording=true", "Guards=true", 'GuardSchedule="rate(5 minutes)"', "RefreshSeconds=1")
    assert made.returncode == 0, made.stdout + made.stderr
    watching = stack.client("cloudwatch")
    names = {"Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    over = {"Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold"}
    watching.put_metric_alarm(AlarmName="checkout-5xx", TreatMissingData="notBreaching", **names, **over)
    watching.set_alarm_state(AlarmName="checkout-5xx", StateValue="OK", StateReason="a test")

    def guards() -> dict[str, Any]:
        found = json.loads(stack.burgee("guard", "status", "--json").stdout)
        return {one["flag"]: one["state"] for one in found if one["state"] is not None}

    with translated(url) as athena:
        stack.set_variable("GuardRoundsFunction", AWS_ENDPOINT_URL_ATHENA=athena)
        # The emulator runs the schedule, too, and may have taken the steps.
        eventually(lambda: stack.invoke("GuardRoundsFunction", {})["failures"] == [])
        assert {name: state["share"] for name, state in guards().items()} == {"checkout": 10, "search": 10}

        store_records(stack, guards()["checkout"]["since"])
        answered = stack.invoke("GuardRoundsFunction", {})
        assert answered["failures"] == []
        assert answered["rounds"]["checkout"].startswith("rolled back to 0 %: errors is worse by more than 20 %"), (
            answered
        )
    ended = guards()["checkout"]["ended"]
    assert ended["outcome"] == "rolled_back"

    watching.set_alarm_state(AlarmName="checkout-5xx", StateValue="ALARM", StateReason="a test")
    rang = stack.ring("checkout-5xx", "GuardRoundsFunction")
    assert rang["rounds"] == {"search": "rolled back to 0 %: alarm checkout-5xx fires"}
    assert {"guard.advance", "guard.roll_back"} <= {one["action"] for one in stack.audit()["entries"]}

    without = stack.deploy("Guards=false")
    assert without.returncode == 0, without.stdout + without.stderr
    resources = stack.client("cloudformation").describe_stack_resources(StackName=stack.name)["StackResources"]
    assert not [one for one in resources if one["LogicalResourceId"].startswith("GuardRounds")]
    assert guards()["checkout"]["ended"] == ended
    assert stack.sam("delete", "--no-prompts").returncode == 0


def store_records(stack: Stack, since: int) -> None:
    """Writes what a step reached and what it is compared with, as Parquet; of the former more requests fail."""
    at = since + 10_000
    own = {"project": "default", "environment": "default", "received": at}
    lines: list[dict[str, Any]] = []
    for number in range(1200):
        reached = number < 200
        place, unit = (5_000 if reached else 60_000) + number, f"u{number}"
        shown: dict[str, Any] = {"type": "exposure", "flag": "guard:checkout", "reason": "SPLIT", "rule": "default"}
        shown |= {"variant": REACHED if reached else COMPARED, "properties": {"place": str(place)}}
        lines.append({**own, **shown, "event_id": f"x{number}", "time": at, "unit": unit, "topic": "_guard.checkout"})
        tracked: dict[str, Any] = {**own, "type": "track", "time": at + 1_000, "unit": unit, "topic": "_track"}
        lines.append(
            {
                **tracked,
                "event_id": f"o{number}",
                "event": "order_placed",
                "properties": {"amount": str(5 + number % 9)},
            }
        )
        if number % (2 if reached else 10) == 0:
            lines.append({**tracked, "event_id": f"e{number}", "event": "request_failed", "properties": {}})
    lines.append({**lines[-1], "event_id": "last", "received": at + 15_000, "properties": {}})
    day = f"{datetime.fromtimestamp(since / 1000, UTC):%Y-%m-%d}"
    with lake(lines) as connection:
        for topic in ("_guard.checkout", "_track"):
            path = stack.folder / f"{topic}.parquet"
            query = f"SELECT * EXCLUDE (day, topic) FROM burgee_events WHERE topic = '{topic}'"
            connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
            key = f"events/topic={topic}/day={day}/1.parquet"
            stack.client("s3").put_object(Bucket=stack.output("EventBucket"), Key=key, Body=path.read_bytes())


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


def test_an_open_page_is_notified_through_the_websocket_api(url: str, tmp_path: Path) -> None:
    """The emulator chooses no subprotocol, has the API at an address of its own, and ends no idle connection."""
    stack = Stack(project(tmp_path), url, "live")
    deployed = stack.deploy("Live=true")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    api = stack.physical("LiveApi")
    assert stack.output("LiveUrl").startswith(f"wss://{api}.execute-api.")
    address = f"{url}/_aws/execute-api/{api}/live"
    stack.set_variable("LiveNotifyFunction", BURGEE_LIVE_ENDPOINT=address)

    def opened(key: str) -> Any:
        protocols: list[Any] = [SUBPROTOCOL, KEY + key.replace("/", "~")]
        return connect(address.replace("http", "ws", 1), subprotocols=protocols, open_timeout=60)

    with pytest.raises(InvalidStatus), opened("burgee_client_x"):
        pass
    with opened(stack.key()) as live:
        live.send("ping")
        killed = stack.burgee("kill", "dark_mode", "--reason", "it blinks")
        assert killed.returncode == 0, killed.stderr
        received: list[Any] = []
        while {"type": "refetchEvaluation", "etag": "2"} not in received:  # perhaps after one of the deploy itself
            received.append(json.loads(live.recv(120)))
        assert len(received) <= 2
        assert stack.asked("ada", "dark_mode", stack.key())["statusCode"] == 200
    eventually(lambda: [one.partition(":")[0] for one in stack.items("SOCKETS")] == ["notified"])
    removed = stack.sam("delete", "--no-prompts")
    assert removed.returncode == 0, removed.stdout + removed.stderr


def test_a_stack_that_sends_webhooks(url: str, tmp_path: Path) -> None:
    """Encrypted by a key of the emulator's KMS, sent by a function that EventBridge calls; no network is reached."""
    key = Stack(tmp_path, url).client("kms").create_key()["KeyMetadata"]["Arn"]
    stack = Stack(project(tmp_path), url, "hooks", BURGEE_WEBHOOK_KEY=key)
    made = stack.deploy(f"WebhookKey={key}")
    assert made.returncode == 0, made.stdout + made.stderr
    added = stack.burgee("webhooks", "add", "https://hooks.invalid.example.com/secret", "--json", "--reason", "test")
    assert added.returncode == 0, added.stderr
    webhook = json.loads(added.stdout)
    killed = stack.burgee("kill", "dark_mode", "--expires-in", "1s", "--reason", "it blinks")
    assert killed.returncode == 0, killed.stderr

    def shown() -> Any:
        return json.loads(stack.burgee("webhooks", "show", webhook["id"], "--json").stdout)

    # By the stream, or by the minute's rule where the emulator runs those: nobody has called the function here.
    eventually(lambda: shown()["counts"]["waiting"] >= 1, lambda: f"the bell did not ring: {shown()}")
    minute = {"source": "aws.events", "detail": {}}
    eventually(lambda: stack.invoke("DeliverFunction", minute) == {"settled": True})
    state = shown()
    assert state["last"]["why"] == "the name was not found", "its URL was decrypted"
    audit = stack.burgee("audit", "--json").stdout
    assert "override.expire" in audit
    item = stack.client("dynamodb").scan(TableName=stack.output("Table"))
    stored = b"".join(bytes(value["B"]) for one in item["Items"] for value in one.values() if "B" in value)
    assert b"hooks.invalid.example.com/secret" not in stored
    assert webhook["secret"].encode() not in stored
    assert stack.sam("delete", "--no-prompts").returncode == 0
