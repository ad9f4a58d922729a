"""Every key of the grammar, found in its models, without a value: in the file, in requests, in editors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from burgee.flagfile import flag_grammar, grammar
from burgee.flagfile.checks import check
from burgee.flagfile.data_sources import DataSource, ExposureRows, FactRows, Rows
from burgee.flagfile.experiments import Baseline, Experiment, Guardrail, Metric, Per
from burgee.flagfile.fields import Part
from burgee.flagfile.guards import Guard, GuardedMetric
from burgee.flagfile.source import SECTIONS, Source
from burgee.flagfile.value_schemas import ValueSchema
from burgee.flagfile.yaml_reader import Document
from burgee.web.routes.flags import FlagChange

if TYPE_CHECKING:
    from pathlib import Path

    from support.cli import Burgee

SCHEMA = Draft202012Validator(grammar.json_schema())
FLAG = "flags: {f: {HERE}}"
EXPERIMENT = FLAG.replace("HERE", "experiment: {HERE}")
GUARD = FLAG.replace("HERE", "guard: {HERE}")
HOMES: list[tuple[type[Part], str]] = [
    (grammar.FlagFile, "HERE"),
    (grammar.Review, "review: {HERE}"),
    (grammar.AgentLimits, "review: {agents: {HERE}}"),
    (grammar.Segment, "segments: {s: {HERE}}"),
    (grammar.HoldoutSpec, "holdouts: {h: {HERE}}"),
    (Metric, "metrics: {m: {HERE}}"),
    (Per, "metrics: {m: {per: {HERE}}}"),
    (DataSource, "sources: {s: {HERE}}"),
    (ExposureRows, "sources: {s: {exposures: {HERE}}}"),
    (FactRows, "sources: {s: {facts: {e: {HERE}}}}"),
    (flag_grammar.FlagSpec, FLAG),
    (flag_grammar.Overlay, "environments: [e]\nflags: {f: {environments: {e: {HERE}}}}"),
    (flag_grammar.DecidingKeys, FLAG.replace("HERE", "schedule: [{at: 2027-01-01, set: {HERE}}]")),
    (flag_grammar.ScheduledChange, FLAG.replace("HERE", "schedule: [{HERE}]")),
    (flag_grammar.RuleSpec, FLAG.replace("HERE", "rules: [{HERE}]")),
    (flag_grammar.ServeOrSplit, FLAG.replace("HERE", "default: {HERE}")),
    (flag_grammar.Requirement, FLAG.replace("HERE", "requires: [{HERE}]")),
    (flag_grammar.LayerSpec, FLAG.replace("HERE", "layer: {HERE}")),
    (flag_grammar.RampSpec, FLAG.replace("HERE", "rollout_percentage: {HERE}")),
    (ValueSchema, FLAG.replace("HERE", "schema: {HERE}")),
    (flag_grammar.FlagTest, FLAG.replace("HERE", "tests: [{HERE}]")),
    (Experiment, EXPERIMENT),
    (Guardrail, EXPERIMENT.replace("HERE", "guardrails: {m: {HERE}}")),
    (Guard, GUARD),
    (GuardedMetric, GUARD.replace("HERE", "guardrails: {m: {HERE}}")),
    (Baseline, EXPERIMENT.replace("HERE", "baseline: {HERE}")),
]
KEYS = [(home, field.alias or name) for part, home in HOMES for name, field in part.model_fields.items()]


def parts(part: type[Part]) -> set[type[Part]]:
    return {part}.union(*(parts(child) for child in part.__subclasses__()))


def test_every_part_of_the_grammar_is_tried() -> None:
    of_files = {part for part in parts(Part) if part.__module__.startswith("burgee.flagfile")}
    abstract = {Part, flag_grammar.DefinitionSpec, grammar.Included, Rows}
    assert of_files - abstract == {part for part, _ in HOMES}


@pytest.mark.parametrize("value", ["", "null", "~"], ids=["blank", "null", "tilde"])
@pytest.mark.parametrize(("home", "key"), KEYS)
def test_a_key_without_a_value_is_an_error_at_its_place(tmp_path: Path, home: str, key: str, value: str) -> None:
    if (key, value) in {("expect", "null"), ("expect", "~")}:  # says that a flag gives no variant
        return
    path = tmp_path / "flags.yaml"
    text = home.replace("HERE", f"{key}: {value}")
    path.write_text(text if key == "version" else f"version: 1\n{text}", encoding="utf-8")
    found = [problem for problem in check(Source(path)) if problem.code == "no-value"]
    assert len(found) == 1
    line = path.read_text(encoding="utf-8").splitlines()[found[0].place.line - 1]
    assert line[found[0].place.column - 1 :].startswith(f"{key}:")


@pytest.mark.parametrize(
    "text",
    [
        "flags: {a: }",
        "segments: {a: }",
        "flags: {a: {variants: {x: }, default: {serve: x}}}",
        "flags: {a: {tags: [x, '', ]\n}, b: {targets: {on: }}}",
        "flags:\n  a:\n    tags:\n      - x\n      -\n",
        "flags: {a: {metadata: {team: }}}",
        "flags: {a: {tests: [{expect: null, context: {plan: }}]}}",
        "flags: {a: {rules: [{when: {plan: }}], rollout_percentage: 0}}",
        "flags: {a: {rules: [{when: {plan: {eq: }}}], rollout_percentage: 0}}",
        "flags: {a: {default: {split: {on: }}}}",
        "environments: [a, b]\nflags: {a: {environments: {a: }}}",
    ],
)
def test_nothing_else_is_blank_either(tmp_path: Path, text: str) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(f"version: 1\n{text}\n", encoding="utf-8")
    assert [problem.code for problem in check(Source(path)) if problem.code != "empty"] == ["no-value"]


def test_null_stays_a_value_where_values_are_free(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    free = "variants: {x: null, y: ~}, default: {serve: x}, tests: [{context: {plan: null}, expect: x}]"
    path.write_text(f"version: 1\nflags: {{a: {{status: on, {free}}}}}\n", encoding="utf-8")
    assert check(Source(path)) == []


@pytest.mark.parametrize(("home", "key"), KEYS)
def test_editors_get_the_same(home: str, key: str) -> None:
    value = Document("x", home.replace("HERE", f"{key}: null").encode()).value
    found = [*SCHEMA.iter_errors({"version": 1, **value})]
    deepest = [error for one in found for error in (one, *(one.context or ()))]
    refused = any(error.absolute_path and error.absolute_path[-1] == key for error in deepest)
    assert refused is (key != "expect")


@pytest.mark.parametrize("key", flag_grammar.DEFINITION_KEYS)
def test_null_takes_a_key_away_in_a_change_and_nowhere_inside_it(key: str) -> None:
    assert FlagChange.model_validate({key: None}).model_fields_set
    with pytest.raises(ValidationError, match="this key has no value"):
        flag_grammar.normalise({key: None})
    nulls: list[dict[str, Any]] = [
        {"rules": [{"when": {}, "rollout_percentage": None}]},
        {"default": {"serve": None}},
    ]
    for inside in nulls:
        with pytest.raises(ValidationError, match="this key has no value"):
            FlagChange.model_validate(inside)


def test_an_override_takes_a_key_away_only_where_it_says_null(burgee: Burgee) -> None:
    burgee.write("version: 1\nflags: {f: {status: on, rollout_percentage: 10}}\n")
    assert burgee("apply", "--state", "state.db").code == 0
    for text in ("rollout_percentage=", "rollout_percentage={from: }"):
        blank = burgee("override", "set", "f", text, "--reason", "r", "--state", "state.db")
        assert blank.code == 2
        assert "has no value" in blank.err
    assert burgee("override", "list", "--state", "state.db", "--json").json == []
    assert burgee("override", "set", "f", "rollout_percentage=null", "--reason", "r", "--state", "state.db").code == 0
    (override,) = burgee("override", "list", "--state", "state.db", "--json").json
    assert "rollout_percentage" not in override["definition"]


def test_the_sections_are_those_of_the_file() -> None:
    assert set(SECTIONS) <= set(grammar.FlagFile.model_fields)
