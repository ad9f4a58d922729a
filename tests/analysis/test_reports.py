"""Reports as people read them: health before everything, and a sentence for each way that it can end."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from burgee.analysis.health import Light
from burgee.analysis.render.html_page import SIGNS, as_html
from burgee.analysis.render.json_report import as_json
from burgee.analysis.render.svg import Axis, _tick, _ticks
from burgee.analysis.render.text_report import as_text
from burgee.analysis.reports import Report, report
from burgee.analysis.verdicts import Decision
from support.experiments import DAY, FILE, START, crowd, gather_from, planned, written

if TYPE_CHECKING:
    from pathlib import Path


def reported(folder: Path, records: list[dict[str, Any]], days: float = 40, text: str = FILE, **more: Any) -> Report:
    plan = planned(folder, text)
    evidence = gather_from(written(folder / "events", records), plan, int((START + days * DAY) * 1000), **more)
    return report(plan, evidence)


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return reported(tmp_path_factory.mktemp("better"), crowd(4000, lift=0.35, days=27))


def test_a_real_difference_is_found_at_the_end(better: Report) -> None:
    assert better.healthy
    assert better.verdict.decision is Decision.BETTER
    assert re.match(r"on is better than off in bought: \+\d+\.\d% \(\+", better.verdict.sentence)
    assert "at most 5 % of experiments" in better.verdict.sentence
    (guardrail,) = [one for one in better.results if one.role == "guardrail"]
    assert guardrail.holds is True


def test_before_the_end_a_fixed_experiment_is_not_decided(tmp_path: Path) -> None:
    result = reported(tmp_path, crowd(3000, lift=0.6, days=15), days=16)
    assert result.verdict.decision is Decision.WAIT
    assert "3,000 units so far of 4,000 planned" in result.verdict.sentence
    assert "decided on 2026-01-29, in 12 days, and no earlier look may decide" in result.verdict.sentence
    assert not any(one.found for one in result.results if one.role == "primary")


@pytest.mark.parametrize("method", ["always-valid", "group-sequential"])
def test_a_sequential_one_is_decided_as_soon_as_it_may_be(tmp_path: Path, method: str) -> None:
    text = FILE.replace("start:", f"method: {method}\n      looks: 4\n      start:")
    result = reported(tmp_path, crowd(3600, lift=0.8, days=14), days=14.5, text=text, period=7 * DAY * 1000)
    # A quantile is judged at the end, so the guardrail stays open until then.
    assert result.verdict.decision is Decision.GUARDRAIL
    assert "decided on 2026-01-" in result.verdict.sentence
    (primary,) = [one for one in result.results if one.role == "primary"]
    # At the first look, on the seventh day, no unit's window of seven days is over.
    assert primary.curve[0].at == (START + 14 * DAY) * 1000


def test_what_is_open_before_the_end_is_open_yet(tmp_path: Path) -> None:
    text = FILE.replace("start:", "method: always-valid\n      start:").replace("slow: {margin", "revenue: {margin")
    text = text.replace("[revenue, basket]", "[basket]").replace("margin: 10", "margin: 1")
    for days, yet in ((20, " yet"), (28, "")):
        result = reported(tmp_path, crowd(600, days=27), days=days, text=text)
        for shown in (as_text(result), as_html(result)):
            assert {f"no difference found{yet}", f"not shown to hold{yet}"} == set(
                re.findall(r"(?:no difference found|not shown to hold)(?: yet)?", shown)
            )


def test_without_a_difference_the_intervals_speak(tmp_path: Path) -> None:
    result = reported(tmp_path, crowd(2000, days=27))
    assert result.verdict.decision is Decision.NOTHING
    assert "The intervals say what can still be true" in result.verdict.sentence


def test_a_harm_is_called_one(tmp_path: Path) -> None:
    result = reported(tmp_path, crowd(4000, lift=-0.4, days=27))
    assert result.verdict.decision is Decision.WORSE


def test_a_win_with_an_open_guardrail_says_so(tmp_path: Path) -> None:
    result = reported(tmp_path, crowd(4000, lift=0.4, days=27, slower=1.3))
    assert result.verdict.decision is Decision.BROKEN
    assert "Broken: slow in on is worse than the margin allows" in result.verdict.sentence
    (guardrail,) = [one for one in result.results if one.role == "guardrail"]
    assert guardrail.holds is False


def unhealthy(result: Report, check: str) -> str:
    assert result.verdict.decision is Decision.WITHHELD
    (found,) = [one.message for one in result.checks if one.light is Light.BAD]
    assert [one.name for one in result.checks if one.light is Light.BAD] == [check]
    assert found in result.verdict.sentence
    return found


def test_arms_of_the_wrong_size_withhold_the_verdict(tmp_path: Path) -> None:
    found = unhealthy(reported(tmp_path, crowd(4000, lift=0.5, on=0.44, days=27)), "sample ratio")
    assert "planned 50.00%" in found


def test_units_in_two_arms_withhold_the_verdict(tmp_path: Path) -> None:
    records = crowd(2000, days=27)
    shown = [one for one in records if one["type"] == "exposure"][:60]
    flipped = {"on": "off", "off": "on"}
    other = [{**one, "event_id": one["event_id"] + "b", "variant": flipped[one["variant"]]} for one in shown]
    assert "60 units (3.00%)" in unhealthy(reported(tmp_path, records + other), "one arm each")


def test_exposures_before_the_start_withhold_the_verdict(tmp_path: Path) -> None:
    records = crowd(2000, days=27)
    shown = [one for one in records if one["type"] == "exposure"][:60]
    early = [{**one, "event_id": one["event_id"] + "b", "time": START - 60} for one in shown]
    unhealthy(reported(tmp_path, records + early), "no early exposures")


def test_a_metric_that_stopped_arriving_withholds_the_verdict(tmp_path: Path) -> None:
    records = [one for one in crowd(2000, days=27) if one.get("event") != "order" or one["time"] < START + 12 * DAY]
    assert "'order' stopped arriving 16" in unhealthy(reported(tmp_path, records), "data of bought")[:40]


def test_a_metric_that_never_came_withholds_the_verdict(tmp_path: Path) -> None:
    records = [one for one in crowd(1000, days=27) if one.get("event") != "order"]
    result = reported(tmp_path, records)
    assert result.verdict.decision is Decision.WITHHELD
    assert "no 'order' was ever tracked" in result.verdict.sentence


def test_nobody_in_an_arm_withholds_the_verdict(tmp_path: Path) -> None:
    result = reported(tmp_path, crowd(300, on=0.0, days=27))
    assert "no unit was exposed to on" in result.verdict.sentence


def test_json_is_json_and_has_everything(better: Report) -> None:
    result = json.loads(json.dumps(as_json(better), allow_nan=False))
    assert {one["role"] for one in result["results"]} == {"primary", "secondary", "guardrail"}
    primary = result["results"][0]
    assert primary["curve"][-1]["n"] == primary["n"]
    assert primary["n"] + primary["immature"] == sum(arm["units"] for arm in result["arms"])
    assert {one["value"] for one in result["exploratory"]} == {"DE", "FR", "NL"}


def test_text_says_what_colours_would(better: Report) -> None:
    result = as_text(better)
    assert "=> on is better than off" in result
    assert "ok   sample ratio" in result
    assert "BETTER, p" in result
    assert "exploratory" in result


def test_the_page_is_one_file_that_loads_nothing_and_names_every_plot(better: Report) -> None:
    page = as_html(replace(better, deviations=["end was changed <b>"]))
    assert "<script" not in page
    assert not re.search(r"""(src|href)=|url\(|@import|https?:""", page)
    assert "end was changed &lt;b&gt;" in page
    plots = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(plots) >= 5
    for plot in plots:
        quoted = re.sub(r"=([a-z-]+)(?=[ />])", r'="\1"', plot)
        tree = ET.fromstring(quoted)
        assert tree.attrib["aria-label"]
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page


def test_lights_differ_in_sign_and_shape_and_not_only_in_colour(better: Report) -> None:
    assert len({sign for sign, _meaning in SIGNS.values()}) == 3
    assert 'aria-label="fine"' in as_html(better)


def test_long_names_are_shown_in_full_and_many_rows_may_be_parted_by_a_page(tmp_path: Path) -> None:
    names = [f"revenue_per_paying_customer_in_the_first_{days}_days" for days in range(1, 12)]
    metrics = "".join(f"  {name}: {{event: order, kind: mean, value: amount}}\n" for name in names)
    text = FILE.replace("flags:\n", f"{metrics}flags:\n").replace("basket]", f"basket, {', '.join(names)}]")
    page = as_html(reported(tmp_path, crowd(600, days=27), text=text))
    plots = re.findall(r'<svg class="plot".*?</svg>', page, re.DOTALL)
    drawn = [re.findall(r"<text class=p-name[^>]*>(\w+)", plot) for plot in plots]
    assert [name for plot in drawn for name in plot if name in names] == names
    assert max(len(plot) for plot in drawn) <= 8
    assert "what 15 metrics are made of arrives in every arm: &#39;order&#39;, &#39;visit&#39;" in page


@pytest.mark.parametrize("sign", ["%", ""])
@pytest.mark.parametrize("reach", [0.003, 3e-6, 0.088, 1.0, 9.99, 10.0, 22.0, 52.0, 88.0, 620.0, 2100.0, 1e7])
def test_the_marks_of_an_axis_are_few_and_around_zero(reach: float, sign: str) -> None:
    result = _ticks(Axis(reach, sign))
    written = [_tick(value, sign) for value in result]
    assert 3 <= len(result) <= (7 if max(map(len, written)) <= 6 else 3), "no two overlap"
    assert not any("e+0" in one for one in written)
    assert result == [-one for one in reversed(result)]
    assert max(result) <= reach


def test_before_the_end_a_page_shows_no_effect(tmp_path: Path) -> None:
    result = reported(tmp_path, crowd(3000, lift=0.6, days=15), days=16)
    page, text = as_html(result), as_text(result)
    assert "Effects are shown at the end, on <time>2026-01-29</time>." in page
    assert "class=p-good" not in page
    assert "<h2>Numbers</h2>" not in page
    assert "BETTER" not in text
    assert text.endswith("Effects are shown at the end, on 2026-01-29.")
    assert all(one["difference"] is None and one["p_value"] is None for one in as_json(result)["results"])


def test_a_metric_below_zero_has_a_chart_and_its_name(tmp_path: Path) -> None:
    text = FILE.replace("  slow:", "  balance: {event: order, kind: mean, value: loss}\n  slow:")
    text = text.replace("primary: bought", "primary: [bought, balance]")
    records = crowd(1500, lift=0.3, days=27)
    for one in records:
        if one.get("event") == "order":
            one["properties"]["loss"] = -one["properties"]["amount"]
    page = as_html(reported(tmp_path, records, text=text))
    (balance,) = [plot for plot in re.findall(r'aria-label="(balance on: [^"]+)"', page) if "country" not in plot][:1]
    assert re.fullmatch(r"balance on: [-+][\d.]+ \([-+][\d.]+ to [-+][\d.]+\)", balance)
    assert ">on · country = DE<" in page


@pytest.mark.parametrize("method", ["group-sequential", "always-valid"])
def test_a_sequential_verdict_stands_and_says_what_it_is_now(tmp_path: Path, method: str) -> None:
    text = FILE.replace("start:", f"method: {method}\n      looks: 4\n      start:").replace(", window: 7d", "")
    result = reported(tmp_path, crowd(3000, lift=0.6, days=27), text=text)
    assert re.search(r"decided on 2026-01-\d\d \(by 2026-01-29 it is \+", result.verdict.sentence)
    (primary,) = [one for one in result.results if one.role == "primary"]
    assert primary.estimate != primary.latest
    if method == "group-sequential":
        assert [point["look"] for point in as_json(result)["results"][0]["curve"]] == [1, 2, 3, 4]


def test_every_arm_that_wins_or_loses_is_named(tmp_path: Path) -> None:
    text = FILE.replace(
        "    rollout_percentage: 50\n",
        "    variants: {a: 1, b: 2, c: 3}\n    default: {split: {a: 1, b: 1, c: 1}}\n",
    ).replace("      guardrails: {slow: {margin: 10}}\n", "")
    worse, better = crowd(3000, lift=-0.7, days=27), crowd(3000, lift=0.8, days=27, seed=2)
    records = []
    for prefix, some, names in (("x", worse, ("a", "b")), ("y", better, ("a", "c"))):
        for one in some:
            arm = {"off": names[0], "on": names[1]}.get(one.get("variant", ""))
            if arm == "a" and prefix == "y":
                continue
            moved = {**one, "unit": prefix + one["unit"], "event_id": prefix + one["event_id"]}
            records.append(moved | ({"variant": arm} if arm else {}))
    result = reported(tmp_path, records, text=text)
    assert "c is better than a in bought" in result.verdict.sentence
    assert "b is worse than a in bought" in result.verdict.sentence


def test_what_is_withheld_is_not_reported_as_if_it_were_found(tmp_path: Path) -> None:
    page = as_html(reported(tmp_path, crowd(4000, lift=0.35, on=0.6, days=27)))
    assert '<main class="withheld">' in page
    assert "no number here is reliable" in page
    assert "<td>better</td>" not in page
    assert "class=p-good" not in page


def test_a_verdict_gives_each_reason_once(tmp_path: Path) -> None:
    """Two primary metrics of one event that never came."""
    text = FILE.replace("primary: bought", "primary: [bought, revenue]").replace("[revenue, basket]", "[basket]")
    result = reported(tmp_path, [one for one in crowd(200) if one.get("event") != "order"], text=text)
    assert result.verdict.decision is Decision.WITHHELD
    assert result.verdict.sentence.count("'order'") == 1


def test_an_always_valid_experiment_with_few_units_says_how_many_it_takes(tmp_path: Path) -> None:
    text = FILE.replace("      segments", "      method: always-valid\n      segments")
    plan = planned(tmp_path, text)
    found = report(plan, gather_from(written(tmp_path / "events", crowd(50)), plan, (START + 15 * DAY) * 1000))
    assert "too few for an interval, for which 30 units of each arm must count; it ends on" in found.verdict.sentence
    assert "not shown yet" in as_text(found)
    assert "Effects are shown once 30 units of each arm count" in as_text(found)
    assert "Effects are shown once 30 units of each arm count" in as_html(found)


def test_sentences_keep_dates_whole_and_set_keys_as_code_and_are_escaped(better: Report) -> None:
    said = ("2026-01-10 (abc): `alpha` was <changed> from 0.05",)
    page = as_html(replace(better, deviations=said))
    assert "<li><time>2026-01-10</time> (abc): <code>alpha</code> was &lt;changed&gt; from 0.05</li>" in page


def test_a_phone_has_the_numbers_beside_no_chart(better: Report) -> None:
    """A chart is wider than a phone, and its numbers are on the right."""
    page = as_html(better)
    assert better.results
    for row in better.results:
        assert re.search(f"<li>{row.metric}, {row.arm}: [+-][0-9.]+% \\(", page)
