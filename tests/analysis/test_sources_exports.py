"""What other systems export, read as documented."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import pytest

from burgee.analysis.evidence import gather
from burgee.analysis.questions import questions_of
from support.experiments import DAY, FILE, START, planned, track, written

PAGE = Path(__file__).parents[2] / "docs/sources.md"
EXPOSED = [("u1", "on"), ("u2", "off"), ("u3", "on")]


def example(name: str) -> str:
    """A source of the documentation."""
    blocks = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (found,) = [block for block in blocks if f"\n  {name}:" in block]
    return str(found)


def exported_by_goff(folder: Path) -> None:
    rows = [
        {"kind": "feature", "contextKind": "user", "userKey": unit, "creationDate": START + DAY, "key": "button",
         "variation": variant, "value": variant == "on", "default": False, "version": "", "source": "SERVER"}
        for unit, variant in [*EXPOSED, ("u4", "on")]
    ]  # fmt: skip
    rows[-1]["default"] = True
    (folder / "goff").mkdir()
    (folder / "goff/a.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    duckdb.sql(f"COPY (FROM read_ndjson_auto('{folder}/goff/a.jsonl')) TO '{folder}/goff/a.parquet'")


def exported_by_otel(folder: Path) -> None:
    def attributes(**said: str) -> list[Any]:
        return [
            {"key": f"feature_flag.{key.replace('_', '.')}", "value": {"stringValue": value}}
            for key, value in said.items()
        ]

    records = [
        {"timeUnixNano": str((START + DAY) * 10**9), "eventName": "feature_flag.evaluation",
         "attributes": attributes(key="button", result_variant=variant, context_id=unit)}
        for unit, variant in EXPOSED
    ]  # fmt: skip
    other = {"timeUnixNano": "1", "eventName": "another", "attributes": []}
    lines = [{"resourceLogs": [{"scopeLogs": [{"logRecords": [one, other]}]}]} for one in records]
    (folder / "otel").mkdir()
    (folder / "otel/a.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")


@pytest.mark.parametrize(("name", "export"), [("goff", exported_by_goff), ("otel", exported_by_otel)])
def test_what_other_systems_export_is_read_as_documented(tmp_path: Path, name: str, export: Any) -> None:
    export(tmp_path)
    orders = written(tmp_path / "events", [track("o1", "u1", "order", START + 2 * DAY)])
    text = FILE.replace("start:", f"source: {name}\n      start:").replace("segments: [country]", "")
    plan = planned(tmp_path, text + example(name))
    found = gather((tmp_path, orders), plan, plan.end)
    assert {arm: one.n for arm, one in found.arms.items()} == {"on": 2, "off": 1}
    assert found.arms["on"].moments["bought"].means["value"] == 0.5


def test_appconfigs_treatments_are_arms(tmp_path: Path) -> None:
    visits = "      visit: {table: visits, unit: user_id, time: seen_at}\n"
    plan = planned(
        tmp_path, FILE.replace("start:", "source: appconfig\n      start:") + example("appconfig") + visits
    )
    engine, questions = questions_of(plan)
    sql = engine.sql(questions["units by day"])
    assert "WHEN \"t0\".\"variant\" = '__c__' THEN 'off'" in " ".join(sql.split())
    assert '"t0"."day" >= \'2025-12-02\'' in sql
