"""A deployed stack in an emulator, and what a person does to it."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.session import get_session

from burgee.times import format_time
from support.build import BIN, build, python_3_13, run
from support.dynamodb import CREDENTIALS, ministack
from support.lambda_runtime import event

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path


class Emulator(NamedTuple):
    """Where it listens, and the Python in which it runs functions: Lambda's version, with Lambda's runtime client."""

    url: str
    python: str


@contextmanager
def aws(folder: Path) -> Iterator[Emulator]:
    """An emulator under Python 3.13, because it runs functions with the Python that it runs in."""
    python = folder / "venv/bin/python"
    made = run(str(BIN / "uv"), "venv", "-q", "--python", str(python_3_13()), str(folder / "venv"))
    assert made.returncode == 0, made.stderr
    packages = ["ministack[full]==1.5.33", "awslambdaric>=3"]
    installed = run(str(BIN / "uv"), "pip", "install", "-q", "--python", str(python), *packages)
    assert installed.returncode == 0, installed.stderr
    with ministack(folder, services="", python=str(python)) as address:
        yield Emulator(address, str(python))


class Stack:
    """The stack, and what a person does to it."""

    def __init__(self, folder: Path, url: str, name: str = "flags", **variables: str) -> None:
        self.folder = folder
        self.name = name
        self._variables = variables
        self._environment = {**CREDENTIALS, "AWS_ENDPOINT_URL": url, **variables}
        self._session = get_session()
        self._session.set_credentials("test", "test")
        self._url = url

    def client(self, service: str) -> Any:
        region = CREDENTIALS["AWS_DEFAULT_REGION"]
        return self._session.create_client(service, region_name=region, endpoint_url=self._url)

    def deploy(self, *parameters: str, load: str = "LoadFlags=every-deploy") -> subprocess.CompletedProcess[str]:
        """Builds and deploys; parameters are `Name=value`. An unchanged stack is not a failure."""
        build(self.folder, **self._variables)
        options = ["--resolve-s3", "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar"]
        overrides = [one for one in (load, *parameters) if one]
        given = ["--parameter-overrides", *overrides] if overrides else []
        return self.sam("deploy", *options, "--no-fail-on-empty-changeset", *given)

    def sam(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(BIN / "sam"), *arguments, "--stack-name", self.name]
        return run(*command, cwd=self.folder, **self._environment)

    def burgee(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        table = ["--table", self.output("Table"), "--endpoint-url", self._url, "--env", "default"]
        return run(str(BIN / "burgee"), *arguments, *table, cwd=self.folder, **self._environment)

    def output(self, key: str) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return str({one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}[key])

    def status(self) -> str:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=self.name)["Stacks"]
        return str(stack["StackStatus"])

    def reasons(self) -> list[str]:
        events = self.client("cloudformation").describe_stack_events(StackName=self.name)["StackEvents"]
        return [one.get("ResourceStatusReason", "") for one in events]

    def physical(self, resource: str) -> str:
        resources = self.client("cloudformation").describe_stack_resources(StackName=self.name)["StackResources"]
        (name,) = [one["PhysicalResourceId"] for one in resources if one["LogicalResourceId"] == resource]
        return str(name)

    def stateful(self) -> dict[str, str]:
        """What holds data, by its name in the template."""
        resources = self.client("cloudformation").describe_stack_resources(StackName=self.name)["StackResources"]
        kinds = {"AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::Logs::LogGroup"}
        found = [one for one in resources if one["ResourceType"] in kinds]
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    def invoke(self, function: str, payload: Any) -> Any:
        name = self.physical(function)
        answered = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload).encode())
        return json.loads(answered["Payload"].read())

    def set_variable(self, function: str, **variables: str) -> None:
        """Sets variables of a function's environment, such as an address that is another in the emulator."""
        client, name = self.client("lambda"), self.physical(function)
        held = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        client.update_function_configuration(FunctionName=name, Environment={"Variables": {**held, **variables}})

    def items(self, partition: str) -> list[str]:
        """The sort keys of a partition of the stack's own tenant."""
        name = f"default#default#{partition}"
        found = self.client("dynamodb").query(
            TableName=self.output("Table"),
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": name}},
        )
        return [item["sk"]["S"] for item in found["Items"]]

    def ring(self, alarm: str, function: str = "GuardFunction") -> Any:
        """Calls a function as CloudWatch does through EventBridge, if its rule matches; the emulator does not."""
        state = {"value": "ALARM", "timestamp": format_time(time.time() + 1).replace("Z", "+0000")}
        (rule,) = self.client("events").list_rules(NamePrefix=f"{self.name}-{function}Alarm-")["Rules"]
        region, account = rule["Arn"].split(":")[3:5]
        reported = {
            "id": "1",
            "account": account,
            "time": "2027-01-01T00:00:00Z",
            "region": region,
            "resources": [],
            "source": "aws.cloudwatch",
            "detail-type": "CloudWatch Alarm State Change",
            "detail": {"alarmName": alarm, "state": state, "previousState": {"value": "OK"}},
        }
        matched = self.client("events").test_event_pattern(
            EventPattern=rule["EventPattern"], Event=json.dumps(reported)
        )
        return self.invoke(function, reported) if matched["Result"] else None

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
