"""The OpenFeature specification's own scenarios, through the in-process provider and the stock SDK.

`cases/openfeature/scenarios.yaml` holds them transcribed. Where `BURGEE_OPENFEATURE_SPEC` names a checkout of
open-feature/spec, its feature files are read and run as they are.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError
from openfeature.flag_evaluation import FlagEvaluationOptions
from openfeature.hook import Hook
from openfeature.transaction_context import (
    ContextVarsTransactionContextPropagator,
    set_transaction_context,
    set_transaction_context_propagator,
)

from burgee.errors import Denied, StoreUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.flagfile.compile import compile_file
from burgee.openfeature import BurgeeProvider
from burgee.serving.serving import Served, Serving
from support.gherkin import Scenario, Step, scenarios

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CASES = Path(__file__).parent / "cases/openfeature"
SPEC = os.environ.get("BURGEE_OPENFEATURE_SPEC")
FEATURES = ("evaluation", "evaluation_v2", "hooks", "metadata", "contextMerging")
SKIPPED = {
    "CACHED reason": "nothing is cached: every answer is evaluated again, in this process",
    "Returns no metadata": "every answer names its release in its metadata",
}
VALUE_VARIANT_REASON = (
    r'the resolved \w+ details value should be "?([^",]*)"?, the variant should be "(\w+)", '
    r'and the reason should be "(\w+)"'
)
FLAGS = Served(Ruleset(compile_file(CASES / "flags.yaml"), release={"version": 1}), 1, "file")
READ: dict[str, Callable[[str], Any]] = {
    "boolean": lambda text: text == "true",
    "string": str,
    "integer": int,
    "float": float,
    "object": lambda text: json.loads(text.replace('\\"', '"')),
}


class Recording(BurgeeProvider):
    """The provider, which remembers the context that it was last asked with."""

    asked = EvaluationContext()

    def resolve_boolean_details(self, flag_key: str, default_value: bool, evaluation_context: Any = None) -> Any:
        """As the provider does."""
        self.asked = evaluation_context
        return super().resolve_boolean_details(flag_key, default_value, evaluation_context)


class Source:
    """The flags of the scenarios, in whichever state a scenario wants the provider to be."""

    def __init__(self, state: str) -> None:
        self.state = state
        self.released = Event()

    def poll(self) -> Served | None:
        """The flags, late or not at all."""
        if self.state == "not ready":
            self.released.wait(10)
        if self.state == "fatal":
            raise Denied("no such key")
        if self.state == "error" or (self.state == "stale" and self.released.is_set()):
            raise StoreUnavailable("it does not answer")
        return FLAGS


class Seen(Hook):
    """A hook that writes down what it is called with."""

    def __init__(
        self, name: str, stages: list[tuple[str, str, Any]], context: EvaluationContext | None = None
    ) -> None:
        self.name, self.stages, self.context = name, stages, context

    def before(self, hook_context: Any, hints: Any) -> EvaluationContext | None:  # noqa: ARG002 - the SDK's signature
        """Before the evaluation."""
        self.stages.append(("before", self.name, None))
        return self.context

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:  # noqa: ARG002 - the SDK's signature
        """After a good one."""
        self.stages.append(("after", self.name, details))

    def error(self, hook_context: Any, exception: Exception, hints: Any) -> None:  # noqa: ARG002 - the SDK's signature
        """After a failure."""
        self.stages.append(("error", self.name, None))

    def finally_after(self, hook_context: Any, details: Any, hints: Any) -> None:  # noqa: ARG002 - the SDK's signature
        """In any case."""
        self.stages.append(("finally", self.name, details))


class World:
    """What a scenario has said so far; each step of the specification is a method, found by its pattern."""

    def __init__(self) -> None:
        api.clear_providers()
        api.clear_hooks()
        api.set_evaluation_context(EvaluationContext())
        set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
        set_transaction_context(EvaluationContext())
        self.flag: tuple[str, str, Any] = ("boolean", "boolean-flag", False)
        self.attributes: dict[str, Any] = {}
        self.stages: list[tuple[str, str, Any]] = []
        self.options = FlagEvaluationOptions()
        self.levels: list[str] = []
        self.details: Any = None
        self.source = Source("stable")
        self.provider = Recording(Serving(source=self.source))
        self.client = api.get_client()

    def close(self) -> None:
        """Leaves nothing behind."""
        self.source.released.set()
        api.clear_providers()

    def start(self, state: str) -> None:
        """A provider in a state."""
        self.source.released.set()
        self.source = Source(state)
        self.provider = Recording(Serving(source=self.source), refresh_seconds=0.01)
        if state == "not ready":
            api.set_provider(self.provider)
            return
        try:
            api.set_provider_and_wait(self.provider)
        except OpenFeatureError:
            assert state in {"error", "fatal"}
        if state == "stale":
            self.source.released.set()
            for _ in range(1000):
                if self.client.get_provider_status().value == "STALE":
                    break
                Event().wait(0.01)

    def set_flag(self, kind: str, key: str, default: str) -> None:
        """The flag of the scenario."""
        kind = kind.lower()
        self.flag = (kind, key, READ[kind](default))

    def evaluate(self, *, wait: bool = False) -> None:
        """Asks for the flag."""
        kind, key, default = self.flag
        context = EvaluationContext(None, dict(self.attributes))
        if wait:
            method = getattr(self.client, f"get_{kind}_details_async")
            self.details = asyncio.run(method(key, default, context, self.options))
        else:
            self.details = getattr(self.client, f"get_{kind}_details")(key, default, context, self.options)

    def ask(self, kind: str, key: str, default: Any) -> None:
        """The flag, and at once what it is."""
        self.flag = (kind, key, default)
        self.evaluate()

    def is_value(self, text: str) -> None:
        """The value is what is written, and of that type."""
        wanted = READ[self.flag[0]](text)
        assert self.details.value == wanted
        assert type(self.details.value) is type(wanted)

    def is_template(self) -> None:
        """The one object of the first suite."""
        wanted = {"showImages": True, "title": "Check out these pics!", "imagesPerPage": 100}
        assert self.details.value == wanted

    def is_metadata(self, table: list[list[str]]) -> None:
        """The metadata holds every row."""
        for key, kind, text in table[1:]:
            value = self.details.flag_metadata[key]
            wanted = READ[kind.lower()](text)
            assert (value, type(value)) == (wanted, type(wanted))

    def add_level(self, level: str, key: str, value: str) -> None:
        """A context entry at one of the levels that merge."""
        context = EvaluationContext(attributes={key: value})
        if level == "API":
            api.set_evaluation_context(api.get_evaluation_context().merge(context))
        elif level == "Transaction":
            set_transaction_context(context)
        elif level == "Client":
            self.client.context = context
        elif level == "Before Hooks":
            self.client.add_hooks([Seen("context", self.stages, context)])
        else:
            self.attributes[key] = value

    def add_levels(self, last: str, key: str) -> None:
        """Entries from the first level down to `last`, each with its level's name."""
        for level in self.levels[: self.levels.index(last) + 1]:
            self.add_level(level, key, level)

    def called(self, stages: str, table: list[list[str]]) -> None:
        """The stages ran, with details as in the table."""
        for stage in stages.split(", "):
            (details,) = [details for name, _, details in self.stages if name == stage]
            for kind, key, text in table[1:]:
                value = getattr(details, key)
                value = value if kind != "string" or value is None else str(getattr(value, "value", value))
                assert value == (None if text == "null" else READ[kind](text))

    def ran(self, stage: str) -> None:
        """A stage ran."""
        assert stage in [name for name, _, _ in self.stages]

    def mutated(self) -> None:
        """Neither the context nor the metadata can be changed through an answer."""
        with pytest.raises(TypeError):
            self.details.flag_metadata["version"] = 7


STEPS: list[tuple[str, Callable[..., Any]]] = [
    (r"an? (stable|not ready|error|fatal|stale) provider", World.start),
    (r"a stable provider with retrievable context is registered", lambda world: world.start("stable")),
    (r'an? (\w+)-flag with key "([^"]*)" and a fallback value "(.*)"', World.set_flag),
    (r'a context containing a key "(\w+)", with type "(\w+)" and with value "(.*)"',
     lambda world, key, kind, text: world.attributes.update({key: READ[kind.lower()](text)})),
    (r'a context containing a key "(\w+)" with null value', lambda world, key: world.attributes.update({key: None})),
    (r"the flag was evaluated with details(?: using the evaluation options)?", World.evaluate),
    (r"the flag was evaluated with details asynchronously", lambda world: world.evaluate(wait=True)),
    (r'the resolved details value should be "(.*)"', World.is_value),
    (r'the reason should be "(\w+)"', lambda world, reason: _same(world.details.reason, reason)),
    (r'the error-code should be "(\w+)"', lambda world, code: _same(world.details.error_code.value, code)),
    (r'the flag key should be "(.*)"', lambda world, key: _same(world.details.flag_key, key)),
    (r'the variant should be "([^"]*)"', lambda world, variant: _same(world.details.variant, variant)),
    (r'the provider status should be "(\w+)"',
     lambda world, status: _same(world.client.get_provider_status().value, status)),
    (r"the resolved metadata should contain", World.is_metadata),
    (r"the evaluation should complete without blocking", lambda world: _same(world.details.error_code, None)),
    # hooks and options
    (r"a client with added hook", lambda world: world.client.add_hooks([Seen("client", world.stages)])),
    (r"evaluation options containing specific hooks",
     lambda world: world.options.hooks.extend([Seen("first", world.stages), Seen("second", world.stages)])),
    (r"the specified hooks should execute during evaluation", lambda world: world.ran("finally")),
    (r"the hook order should be maintained", lambda world: _same(
        [name for _, name, _ in world.stages], ["first", "second", "second", "first", "second", "first"])),
    (r'the "(before|error)" hook should have been executed', World.ran),
    (r'the "([a-z, ]+)" hooks should be called with evaluation details', World.called),
    # immutability
    (r"an evaluation context with modifiable data", lambda world: world.attributes.update({"list": [1], "map": {}})),
    (r"the original evaluation context should remain unmodified",
     lambda world: _same(world.attributes, {"list": [1], "map": {}})),
    (r"the evaluation details should be immutable", World.mutated),
    # the merging of contexts
    (r'A context entry with key "(.*)" and value "(.*)" is added to the "(.*)" level',
     lambda world, key, value, level: world.add_level(level, key, value)),
    (r"A table with levels of increasing precedence",
     lambda world, table: world.levels.extend(level for (level,) in table)),
    (r'Context entries for each level from API level down to the "(.*)" level, with key "(.*)" and value ".*"',
     World.add_levels),
    (r"Some flag was evaluated", World.evaluate),
    (r'The merged context contains an entry with key "(.*)" and value "(.*)"',
     lambda world, key, value: _same(world.provider.asked.attributes[key], value)),
    # the first suite
    (r'an? (\w+) flag with key "(.*)" is evaluated with (?:details and )?default value "?([^"]*)"?',
     lambda world, kind, key, default: world.ask(kind, key, READ[kind](default))),
    (r'an object flag with key "(.*)" is evaluated with (?:details and )?a null default value',
     lambda world, key: world.ask("object", key, None)),
    (r'the resolved \w+ (?:details )?value should be "?([^",]*)"?', World.is_value),
    (VALUE_VARIANT_REASON,
     lambda world, text, variant, reason: _same(
         (world.is_value(text), world.details.variant, world.details.reason), (None, variant, reason))),
    (r'the resolved object (?:details )?value should be contain fields .*', World.is_template),
    (r'the variant should be "(\w+)", and the reason should be "(\w+)"',
     lambda world, variant, reason: _same((world.details.variant, world.details.reason), (variant, reason))),
    (r'context contains keys "fn", "ln", "age", "customer" with values "(.*)", "(.*)", (\d+), "(\w+)"',
     lambda world, first, last, age, customer: world.attributes.update(
         fn=first, ln=last, age=int(age), customer=customer == "true")),
    (r'a flag with key "(.*)" is evaluated with default value "(.*)"',
     lambda world, key, default: world.ask("string", key, default)),
    (r'the resolved string response should be "(.*)"', World.is_value),
    (r'the resolved flag value is "(.*)" when the context is empty',
     lambda world, text: (world.attributes.clear(), world.evaluate(), world.is_value(text))),
    (r'a non-existent string flag with key "(.*)" is evaluated with details and a fallback value "(.*)"',
     lambda world, key, default: world.ask("string", key, default)),
    (r'a string flag with key "(.*)" is evaluated as an integer, with details and a fallback value (\d+)',
     lambda world, key, default: world.ask("integer", key, int(default))),
    (r"the default \w+ value should be returned", lambda world: _same(world.details.value, world.flag[2])),
    (r'the reason should indicate an error and the error code should indicate .* with "(\w+)"',
     lambda world, code: _same((world.details.reason, world.details.error_code.value), ("ERROR", code))),
]  # fmt: skip


def _same(found: Any, wanted: Any) -> None:
    assert found == wanted


def run(world: World, step: Step) -> None:
    """Does what one line says."""
    for pattern, act in STEPS:
        match = re.fullmatch(pattern, step.text)
        if match:
            act(world, *match.groups(), *([step.table] if step.table else []))
            return
    pytest.fail(f"no step is written for: {step.text}")


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def features() -> list[Any]:
    """The scenarios of the checkout, if there is one."""
    if SPEC is None:
        absent = pytest.mark.skip(reason="BURGEE_OPENFEATURE_SPEC names no checkout of open-feature/spec")
        return [pytest.param(None, id="no checkout", marks=absent)]
    folder = Path(SPEC) / "specification/assets/gherkin"
    found = []
    for feature in FEATURES:
        text = (folder / f"{feature}.feature").read_text(encoding="utf-8")
        for number, scenario in enumerate(scenarios(text)):
            name = scenario.name.partition(" [")[0]
            skip = f"{name}: {SKIPPED[name]}" if name in SKIPPED else None
            marks = [pytest.mark.skip(reason=skip)] if skip else []
            found.append(pytest.param(scenario, id=f"{feature}-{number}-{scenario.name}", marks=marks))
    return found


@pytest.mark.parametrize("scenario", features())
def test_the_specification_itself(world: World, scenario: Scenario) -> None:
    for step in scenario.steps:
        run(world, step)


def transcribed() -> list[Any]:
    """The scenarios as cases of our own."""
    groups = yaml.safe_load((CASES / "scenarios.yaml").read_text(encoding="utf-8"))
    return [
        pytest.param(case, id=f"{group['says']} ({number})")
        for group in groups
        for number, case in enumerate(group["cases"], 1)
    ]


@pytest.mark.parametrize("case", transcribed())
def test_the_scenarios(world: World, case: dict[str, Any]) -> None:
    world.start(case.get("provider", "stable"))
    if "status" in case:
        assert world.client.get_provider_status().value == case["status"]
        return
    world.attributes.update(case.get("context", {}))
    kind = {bool: "boolean", str: "string", int: "integer", float: "float", dict: "object"}[type(case["default"])]
    world.flag = (kind, case["flag"], case["default"])
    for wait in (False, True):
        world.evaluate(wait=wait)
        details = world.details
        assert (details.value, type(details.value)) == (case["value"], type(case["value"]))
        assert details.flag_key == case["flag"]
        assert details.reason == case.get("reason", details.reason)
        assert details.variant == case.get("variant", details.variant)
        assert (details.error_code and details.error_code.value) == case.get("error")


def test_a_flags_own_metadata_is_in_the_answer(world: World) -> None:
    world.start("stable")
    world.ask("boolean", "metadata-flag", True)
    own = {"string": "1.0.2", "integer": 2, "float": 0.1, "boolean": True}
    assert {key: world.details.flag_metadata[key] for key in own} == own
    assert [type(world.details.flag_metadata[key]) for key in own] == [str, int, float, bool]


@pytest.mark.parametrize("error", [False, True])
def test_hooks_see_the_answer(world: World, error: bool) -> None:
    world.start("stable")
    world.client.add_hooks([Seen("client", world.stages)])
    world.ask("boolean", "wrong-flag" if error else "boolean-flag", False)
    assert [stage for stage, _, _ in world.stages] == ["before", "error" if error else "after", "finally"]
    assert world.stages[-1][2] == world.details


LEVELS = ("API", "Transaction", "Client", "Invocation", "Before Hooks")


@pytest.mark.parametrize("last", LEVELS)
def test_contexts_merge_in_the_order_of_the_specification(world: World, last: str) -> None:
    world.start("stable")
    for level in LEVELS[: LEVELS.index(last) + 1]:
        world.add_level(level, "key", level)
        world.add_level(level, level, "own")
        if level in {"Client", "Transaction"}:
            world.add_level(level, "key", level)
    world.evaluate()
    assert world.provider.asked.attributes["key"] == last
