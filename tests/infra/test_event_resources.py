"""What template.yaml makes for records: only when asked, with few rights, and in the layout that reports read."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

import duckdb
import ibis
import pytest
import sqlglot

from burgee.analysis.questions import questions_as_sql
from burgee.analysis.tables import PARTITIONS, SCHEMA, records
from burgee.events.records import COLUMNS, RecordScope
from burgee.events.usage_records import TOPIC, Cell, Window, usage_records
from support.experiments import crowd, gather_from, planned, written
from support.template import template as read_template

if TYPE_CHECKING:
    from pathlib import Path

    from burgee.analysis.evidence import Evidence

HIVE = {"string": "string", "int64": "bigint", "map<string, string>": "map<string,string>"}


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    return read_template()


CELL = Cell("f", "v", "SPLIT", "r", "GENERAL", 7, override=True, key="k", bulk=True)


def recording(template: dict[str, Any]) -> dict[str, Any]:
    return {name: one for name, one in template["Resources"].items() if one.get("Condition") == "Records"}


def test_nothing_is_made_unless_records_are_kept(template: dict[str, Any]) -> None:
    assert template["Parameters"]["Recording"]["Default"] == "false"
    paid = ("AWS::KinesisFirehose", "AWS::S3", "AWS::SQS", "AWS::Glue")
    kinds = {name: one["Type"] for name, one in template["Resources"].items()}
    made = {name for name, kind in kinds.items() if kind.startswith(paid)}
    assert made == {
        "EventStream",
        "EventBucket",
        "EventBucketPolicy",
        "EventDatabase",
        "EventTable",
        "UsageTable",
        "DeadLetters",
    }
    assert made <= set(recording(template))
    kept = {name for name, one in recording(template).items() if one.get("DeletionPolicy") == "Retain"}
    assert kept == {"EventBucket", "DeadLetters"}


def test_a_role_that_evaluates_may_add_records_and_not_read_them(template: dict[str, Any]) -> None:
    policies = [one for one in recording(template).values() if one["Type"] == "AWS::IAM::Policy"]
    (policy,) = policies
    assert policy["Properties"]["Roles"] == [{"Ref": "EvaluateFunctionRole"}]
    allowed = {one["Action"]: one["Resource"] for one in policy["Properties"]["PolicyDocument"]["Statement"]}
    assert allowed == {
        "firehose:PutRecordBatch": {"GetAtt": "EventStream.Arn"},
        "sqs:SendMessage": {"GetAtt": "DeadLetters.Arn"},
    }


def test_the_stream_may_write_its_bucket_and_read_its_table_alone(template: dict[str, Any]) -> None:
    (policy,) = template["Resources"]["EventRole"]["Properties"]["Policies"]
    assert len(policy["PolicyDocument"]["Statement"]) > 1
    for statement in policy["PolicyDocument"]["Statement"]:
        assert "*" not in str(statement["Action"])
        assert "s3:GetObject" not in statement["Action"]
        assert "EventBucket" in str(statement["Resource"]) or "EventDatabase" in str(statement["Resource"])


def test_the_table_has_the_columns_of_a_record(template: dict[str, Any]) -> None:
    table = template["Resources"]["EventTable"]["Properties"]["TableInput"]
    columns = {one["Name"]: one["Type"] for one in table["StorageDescriptor"]["Columns"]}
    types = {name: HIVE[str(kind).replace("!", "")] for name, kind in SCHEMA.items()}
    topic = types.pop("topic")
    assert tuple(SCHEMA.names) == COLUMNS
    usage = {name: columns.pop(name) for name in ("since", "lost", "answers")}
    assert columns == types
    own = template["Resources"]["UsageTable"]["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
    of_usage = {one["Name"]: one["Type"] for one in own}
    (record,) = usage_records({CELL: 3}, Window(1.0, 2.0), RecordScope())
    assert of_usage.keys() | {"type", "topic"} == record.keys()
    assert {name: kind for name, kind in of_usage.items() if name in usage} == usage
    assert {name: kind for name, kind in of_usage.items() if name not in usage}.items() <= columns.items()
    fields = dict(part.split(":") for part in usage["answers"].removeprefix("array<struct<")[:-2].split(","))
    assert {name: kind for name, kind in fields.items() if name != "count"}.keys() == {*Cell._fields}
    kinds = {"string": str, "bigint": int, "boolean": bool}
    assert all(type(value) is kinds[fields[name]] for name, value in record["answers"][0].items())
    keys = {one["Name"]: one["Type"] for one in table["PartitionKeys"]}
    assert tuple(keys) == PARTITIONS
    assert keys["topic"] == topic


def test_the_table_looks_where_the_stream_writes(template: dict[str, Any]) -> None:
    table = template["Resources"]["EventTable"]["Properties"]["TableInput"]
    stream = template["Resources"]["EventStream"]["Properties"]["ExtendedS3DestinationConfiguration"]
    looks = table["Parameters"]["storage.location.template"]["Sub"].removeprefix("s3://${EventBucket}/")
    writes = stream["Prefix"].replace("!{partitionKeyFromQuery:topic}", "${!topic}")
    assert writes.replace("!{timestamp:yyyy-MM-dd}", "${!day}") == looks
    assert table["Parameters"]["projection.day.format"] == "yyyy-MM-dd"
    extracted = stream["ProcessingConfiguration"]["Processors"][1]["Parameters"][0]["ParameterValue"]
    assert extracted == "{topic: .topic}"


def test_the_table_of_usage_looks_where_its_topic_is_written(template: dict[str, Any]) -> None:
    events, usage = (template["Resources"][name]["Properties"]["TableInput"] for name in ("EventTable", "UsageTable"))
    looks = "storage.location.template"
    assert usage["Parameters"][looks]["Sub"] == events["Parameters"][looks]["Sub"].replace("${!topic}", TOPIC)


def test_a_report_is_the_same_from_the_layout_of_the_bucket(tmp_path: Path) -> None:
    """Files as the stream writes them, whose `topic` stands in their path alone; beside files of lines, too."""
    plan, made = planned(tmp_path), crowd(600)
    lines = written(tmp_path / "lines", made)
    bucket = tmp_path / "bucket/events"
    columns = ", ".join(name for name in COLUMNS if name != "topic")
    source = f"read_json('{lines}/a.jsonl', columns={json.dumps(duck())})"
    for topic in ("button", "_track"):
        folder = bucket / f"topic={topic}/day=2026-01-20"
        folder.mkdir(parents=True)
        duckdb.sql(f"COPY (SELECT {columns} FROM {source} WHERE topic = '{topic}') TO '{folder}/a.parquet'")
    expected = reported(gather_from(lines, plan, plan.end))
    assert reported(gather_from(tmp_path / "bucket", plan, plan.end)) == expected
    again = written(bucket, made[:50], "again.jsonl")
    assert reported(gather_from(again, plan, plan.end)) == expected, "an event counts once"
    connection = ibis.duckdb.connect()
    assert records(connection, bucket).read == len(made) + 50


def reported(evidence: Evidence) -> Any:
    """What was counted; means and quantiles to 9 digits, as DuckDB adds a unit's values up in no fixed order."""
    means = {
        (arm, metric, column): round(mean, 9)
        for arm, one in evidence.arms.items()
        for metric, moments in one.moments.items()
        for column, mean in moments.means.items()
    }
    sizes = {
        (arm, metric): (one.n, tuple(round(value, 9) for value in astuple(points)))
        for arm, one in evidence.arms.items()
        for metric, points in one.points.items()
    }
    arrived = {
        (name, arm): one.units for name, arms in evidence.quality.arrivals.items() for arm, one in arms.items()
    }
    return sizes, means, evidence.units, evidence.crossed, evidence.early, arrived


def duck() -> dict[str, str]:
    kinds = {"int64": "BIGINT", "string": "VARCHAR", "map<string, string>": "MAP(VARCHAR, VARCHAR)"}
    return {name: kinds[str(kind).replace("!", "")] for name, kind in SCHEMA.items()}


def test_athena_is_asked_for_one_topic_and_for_no_day_before_the_experiment(tmp_path: Path) -> None:
    """An injected partition key needs a value, and each day that is read costs."""
    questions = questions_as_sql(planned(tmp_path))
    assert len(questions) > 5
    for asked, sql in questions.items():
        scans = sql.count('"burgee_events"')
        assert scans >= 1, asked
        assert sql.count('"topic" = \'') >= 1, asked
        assert "\"day\" >= '2025-12-02'" in sql, asked


def test_what_athena_is_asked_means_what_duckdb_is_asked(tmp_path: Path) -> None:
    """Athena's own dialect, read by sqlglot and answered by DuckDB from a table such as Athena has."""
    plan, made = planned(tmp_path), crowd(400)
    lines = written(tmp_path / "lines", made)
    expected = gather_from(lines, plan, plan.end)
    source = f"read_json('{lines}/a.jsonl', columns={json.dumps(duck())})"
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE burgee_events AS SELECT *, '2026-01-20' AS day FROM {source}")

    def answered(asked: str) -> list[dict[str, Any]]:
        (query,) = sqlglot.transpile(sql[asked], read="athena", write="duckdb")
        ran = connection.execute(query)
        names = [column[0] for column in ran.description or ()]
        return [dict(zip(names, row, strict=True)) for row in ran.fetchall()]

    sql = questions_as_sql(plan)
    days = answered("units by day")
    assert sum(row["n"] for row in days) == expected.units
    assert sum(row["n"] for row in days if row["crossed"]) == expected.crossed
    for row in answered("events by arm"):
        arrived = expected.quality.arrivals[row["event"]][row["arm"]]
        assert (row["n"], row["units"], row["before"], row["last"]) == (
            arrived.n,
            arrived.units,
            arrived.before,
            arrived.last,
        )
    assert sum(row["early"] for row in answered("exposures by environment")) == expected.early
    for row in answered("aggregates by arm"):
        arm = expected.arms[row["arm"]]
        assert row["n"] == arm.n
        assert row["m0_value_mean"] == pytest.approx(arm.moments["bought"].means["value"])
        assert row["m2_value_per"] == pytest.approx(arm.moments["basket"].covariances["value", "per"])
    assert len(answered("quantile of slow")) == 2
    assert len(answered("cap of revenue")) == 1
    assert len(answered("bought over time")) > 20
    assert {row["arm"]: row["m3_n"] for row in answered("aggregates by arm")} == {
        arm: one.points["slow"].n for arm, one in expected.arms.items()
    }
