"""`burgee experiment`, as a user sees it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from burgee.cli.commands.agents import tools
from burgee.cli.recording import LocalReports
from burgee.cli.stores import StoreOptions
from support.experiments import FILE, crowd, written

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

AT = ("--at", "2026-02-01T00:00:00Z")


@pytest.fixture
def experiment(burgee: Burgee) -> Burgee:
    burgee.write(FILE)
    written(burgee.folder / ".burgee/events", crowd(1200, lift=0.8, days=27))
    return burgee


def test_a_report_is_reported_as_text_json_and_html(experiment: Burgee) -> None:
    assert "=> on is better than off in bought" in experiment("experiment", "report", "button", *AT).out
    assert experiment("experiment", "report", "button", *AT, "--format", "json").json["verdict"]["arm"] == "on"
    page = experiment.folder / "report.html"
    assert experiment("experiment", "report", "button", *AT, "--format", "html", "--out", str(page)).code == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_status_lists_experiments(experiment: Burgee) -> None:
    assert experiment("experiment", "status", *AT).out == "button: better  [1,200 of 4,000 units, healthy]\n"
    assert experiment("experiment", "status", *AT, "--json").json[0]["flag"] == "button"


def test_an_index_leads_to_a_page_of_each_report(experiment: Burgee) -> None:
    assert experiment("experiment", "status", *AT, "--html", "pages").code == 0
    index = (experiment.folder / "pages/index.html").read_text(encoding="utf-8")
    assert '<a href="button.html">button</a>' in index
    assert "on is better than off" in index
    assert (experiment.folder / "pages/button.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_questions_to_athena_are_printed(experiment: Burgee) -> None:
    reported = experiment("experiment", "report", "button", "--format", "sql").out
    assert reported.startswith("-- units by day\nSELECT")
    assert '"burgee_events"' in reported


def test_what_is_not_there_is_reported(burgee: Burgee) -> None:
    burgee.write(FILE)
    assert (
        "there is no experiment on nope; there are experiments on button"
        in burgee("experiment", "report", "nope").err
    )
    assert "there are no .jsonl or .parquet files" in burgee("experiment", "report", "button").err


def git(folder: Path, day: str, *arguments: str) -> None:
    author = {"GIT_AUTHOR_DATE": f"{day}T12:00:00Z", "GIT_COMMITTER_DATE": f"{day}T12:00:00Z"}
    named = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    environment = {**author, "PATH": "/usr/bin:/bin:/usr/local/bin", "HOME": str(folder)}
    subprocess.run(["git", *named, *arguments], cwd=folder, env=environment, check=True, capture_output=True)


def test_every_deviation_from_the_registered_plan_is_reported(experiment: Burgee) -> None:
    folder = experiment.folder
    git(folder, "2025-12-20", "init", "-q")
    (folder / ".gitignore").write_text(".burgee\n")
    for day, text in (
        ("2025-12-20", FILE.replace("end: 2026-01-29", "end: 2026-01-20")),
        ("2025-12-28", FILE),
        ("2026-01-10", FILE.replace("rollout_percentage: 50", "rollout_percentage: 60")),
        ("2026-01-12", "version: 1\nflags: [broken"),
        ("2026-01-15", FILE.replace("secondary: [revenue, basket]", "secondary: [revenue]")),
    ):
        experiment.write(text)
        git(folder, day, "add", "-A")
        git(folder, day, "commit", "-q", "-m", day)
    experiment.write(FILE.replace("end: 2026-01-29", "end: 2026-02-20"))
    reported = experiment("experiment", "report", "button", *AT, "--format", "json").json
    assert len(reported["registered"]) == 9
    deviations = [one.partition(": ")[2] for one in reported["deviations"]]
    assert deviations == [
        "allocation was changed from off 0.5, on 0.5 to off 0.4, on 0.6",
        "secondary was changed from revenue, basket to revenue",
        "allocation was changed from off 0.4, on 0.6 to off 0.5, on 0.5",
        "metric basket was removed",
        "end was changed from 2026-01-29 to 2026-02-20",
        "secondary was changed from revenue to revenue, basket",
        "metric basket was added: event order, kind ratio, value amount, per event visit",
    ]
    assert reported["deviations"][0].startswith("2026-01-10 (")
    assert reported["deviations"][-1].startswith("not committed yet")


def test_a_plan_that_came_after_the_start_is_a_deviation(experiment: Burgee) -> None:
    git(experiment.folder, "2026-01-05", "init", "-q")
    git(experiment.folder, "2026-01-05", "add", "flags.yaml")
    git(experiment.folder, "2026-01-05", "commit", "-q", "-m", "late")
    reported = experiment("experiment", "report", "button", *AT, "--format", "json").json
    assert reported["deviations"] == ["registered on 2026-01-05, after its start"]


def test_before_the_first_record_everything_waits(burgee: Burgee) -> None:
    burgee.write(FILE)
    ran = burgee("experiment", "status")
    assert (ran.code, ran.out) == (0, "button: wait  [0 of 4,000 units, no records yet]\n")
    assert burgee("experiment", "status", "--json").json[0]["arms"][0]["units"] == 0


def test_a_future_time_decides_nothing(burgee: Burgee) -> None:
    burgee.write(FILE.replace("2026-01-01", "2098-01-01").replace("2026-01-29", "2098-01-29"))
    written(burgee.folder / ".burgee/events", crowd(200, days=27))
    ran = burgee("experiment", "report", "button", "--at", "2099-01-01T00:00:00Z", "--format", "json").json
    assert ran["verdict"]["decision"] in {"wait", "withheld"}
    assert not any(one["found"] for one in ran["results"])


def test_files_are_looked_for_before_the_analysis_is_loaded(burgee: Burgee) -> None:
    burgee.write(FILE)
    code = (
        "import sys; from burgee.cli import main\ntry: main()\nexcept SystemExit: pass\n"
        "print(sorted({'numpy', 'scipy', 'ibis', 'duckdb', 'pyarrow'} & sys.modules.keys()))"
    )
    for arguments in (["experiment", "report", "button"], ["experiment", "status"], ["lint"]):
        ran = subprocess.run(
            [sys.executable, "-c", code, *arguments], cwd=burgee.folder, capture_output=True, text=True, check=True
        )
        assert ran.stdout.splitlines()[-1] == "[]"


def test_lint_warns_of_a_plan_that_is_too_small(burgee: Burgee) -> None:
    path = burgee.write(FILE.replace("sample_size: 4000", "sample_size: 400"))
    reported = burgee("lint", str(path))
    assert reported.code == 0
    assert "experiment-undersized: 400 units find 20 % less often than planned" in reported.err


@pytest.mark.parametrize(
    ("at", "change", "warned"),
    [
        ("2026-01-28T23:59:59Z", "", False),
        ("2026-01-29T00:00:00Z", "", True),
        ("2026-03-01T00:00:00Z", "    schedule: [{at: 2026-01-29, set: {rollout_percentage: 100}}]\n", False),
        ("2026-03-01T00:00:00Z", "    schedule: [{at: 2026-01-29, set: {status: off}}]\n", False),
        ("2026-03-01T00:00:00Z", "    schedule: [{at: 2026-04-01, set: {rollout_percentage: 100}}]\n", True),
    ],
)
def test_lint_warns_of_an_experiment_that_is_over_and_still_splits(
    burgee: Burgee, at: str, change: str, warned: bool
) -> None:
    text = FILE.replace("    experiment:\n", f"{change}    experiment:\n")
    path = burgee.write(text)
    reported = burgee("lint", str(path), "--at", at)
    assert reported.code == 0
    line = text.splitlines().index("      end: 2026-01-29") + 1
    expected = f":{line}:12: warning experiment-over: the experiment on button ended on 2026-01-29, and off and on"
    assert (expected in reported.err) is warned, reported.err


def test_simulations_are_reported_with_their_intervals(burgee: Burgee) -> None:
    reported = burgee(
        "experiment", "simulate", "--runs", "2", "--units", "300", "--looks", "5", "--effect", "50", "--json"
    ).json
    assert reported["runs"] == 2
    assert 0.5 < reported["found"]["fixed"]["planned"] < 1
    assert "2 experiments of 300 units" in burgee("experiment", "simulate", "--runs", "2", "--units", "300").out


SEVERAL = """\
version: 1
sources:
  shop:
    exposures: {table: exposures.csv, unit: user, time: at, variant: arm}
    facts: {order: {table: orders.csv, unit: user, time: at}}
  lost:
    exposures: {table: nowhere.csv, unit: user, time: at, variant: arm}
    facts: {order: {table: orders.csv, unit: user, time: at}}
metrics:
  bought: {event: order, kind: proportion}
flags:
"""
EACH = """\
  {flag}:
    status: on
    rollout_percentage: 50
    experiment: {{hypothesis: x, start: 2026-01-01, end: 2026-01-29, primary: bought{source}}}
"""


@pytest.fixture
def several(burgee: Burgee) -> Burgee:
    """An experiment without records, one of tables, and one of a table that is not there."""
    sources = {"waiting": "", "tables": ", source: shop", "broken": ", source: lost"}
    burgee.write(SEVERAL + "".join(EACH.format(flag=flag, source=source) for flag, source in sources.items()))
    rows = [f"u{i},2026-01-{2 + i % 27:02d},{('on', 'off')[i % 2]}" for i in range(400)]
    (burgee.folder / "exposures.csv").write_text("\n".join(["user,at,arm", *rows]), encoding="utf-8")
    orders = [row for i, row in enumerate(rows) if i % 3 == 0 or i % 4 == 1]
    (burgee.folder / "orders.csv").write_text("\n".join(["user,at,arm", *orders]), encoding="utf-8")
    return burgee


def test_what_cannot_be_read_hides_no_other_experiment(several: Burgee) -> None:
    ran = several("experiment", "status", "--html", "pages")
    lines = ran.out.splitlines()
    assert [line.split("[")[1] for line in lines] == [
        "0 units, no records yet]",
        "400 units, healthy]",
        "0 units, UNHEALTHY]",
    ]
    assert ran.code == 1
    assert "broken: source lost cannot be read: there is no file nowhere.csv" in ran.err
    index = (several.folder / "pages/index.html").read_text(encoding="utf-8")
    assert "there is no file nowhere.csv" in index
    assert "no records yet" in index
    assert '<a href="tables.html">' in index
    assert 'href="broken.html"' not in index
    several.write((several.folder / "flags.yaml").read_text().partition("  broken:")[0])
    assert several("experiment", "status").code == 0


def near(value: Any) -> Any:
    """A report but for the last digits of its numbers: threads add up in any order."""
    if isinstance(value, dict):
        return {key: near(one) for key, one in value.items()}
    if isinstance(value, list):
        return [near(one) for one in value]
    return pytest.approx(value, rel=1e-9) if isinstance(value, float) else value


def test_the_service_and_agents_report_what_the_command_does(several: Burgee) -> None:
    reports = LocalReports(several.folder / "flags.yaml", "p", "e")
    shown = several("experiment", "status", "--json").json
    assert reports.every() == shown
    assert [one["verdict"]["decision"] for one in shown][::2] == ["wait", "withheld"]
    whole = several("experiment", "report", "tables", "--format", "json").json
    assert json.loads(json.dumps(reports.one("tables"))) == near(whole)
    assert whole["results"][0]["found"] is not None
    assert tools(StoreOptions(several.folder / "flags.yaml", None)).experiments() == shown
