"""open-feature/flagd-testbed: its features, on its files as `burgee import flagd` brings them in.

A file has one generation of hashes, so the suite is run twice, each time with the scenarios of one generation.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

from openfeature.evaluation_context import EvaluationContext

from burgee.flagfile.compile import compile_file
from burgee.flagfile.yaml_reader import Document
from burgee.importers.base import Generation
from burgee.importers.flagd import import_flagd
from burgee.importers.writing import written
from burgee.openfeature import BurgeeProvider
from burgee.serving.serving import Serving
from suites.outcome import Outcome
from support.gherkin import Scenario, scenarios

if TYPE_CHECKING:
    from collections.abc import Callable

GENERATIONS = {"@fractional-v1": None, "@fractional-v2": Generation.TEXT, "@fractional-v3": Generation.CBOR}
_NUMBER = "a number such as 1.2 is not a version here, only a string is"
DIFFERENCES = {
    "Evaluator $ref resolves regardless of whitespace": "the value is right; where the last branch of an `if` "
    "answers, the reason is `DEFAULT` here and `TARGETING_MATCH` there",
    "fractional with all-zero bucket weights": "the value is right; the reason is `STATIC` where a flag has no rule",
    "Resolves flag with no defaultValue": "the caller gets its own default, as there; that is reason `DEFAULT` here, "
    "and an error `FLAG_NOT_FOUND` there",
    "partial version string handling": _NUMBER,
    "sem_ver partial version string handling": _NUMBER,
    "numeric context value coercion": _NUMBER,
    "sem_ver numeric context value coercion": _NUMBER,
}
FEATURES = ("targeting", "evaluation", "metadata", "disabled")
"""Those of providers that are of evaluation."""
OURS = frozenset({"version", "digest", "commit", "owner", "rule", "bucket"})
"""Metadata that every answer has here."""


class File(NamedTuple):
    """An imported file: the flags in it, and what serves those that could be brought in."""

    names: frozenset[str]
    brought: frozenset[str]
    provider: BurgeeProvider


def run_evaluator(folder: Path, generation: Generation) -> Outcome:
    """The features of evaluators."""
    files = [folder / "evaluator/flags/testkit-flags.json"]
    return _run(folder, sorted((folder / "evaluator/gherkin").glob("*.feature")), files, generation)


def run_provider(folder: Path, generation: Generation) -> Outcome:
    """The features of providers."""
    files = [path for path in sorted((folder / "flags").glob("*.json")) if not path.name.startswith("selector")]
    return _run(folder, [folder / f"gherkin/{name}.feature" for name in FEATURES], files, generation)


def _run(folder: Path, features: list[Path], paths: list[Path], generation: Generation) -> Outcome:
    @cache
    def opened(path: Path) -> File:
        return _imported(path, generation)

    def find(flag: str, selector: str | None) -> File | None:
        # `allFlags.json` is what the testbed's server makes of all files.
        chosen = folder / "flags" / Path(selector or "allFlags.json").name
        candidates = [chosen] if chosen.exists() else paths
        return next((opened(path) for path in candidates if flag in opened(path).names), None)

    outcome = Outcome()
    for feature in features:
        for scenario in scenarios(feature.read_text(encoding="utf-8")):
            generations = {GENERATIONS[tag] for tag in scenario.tags & GENERATIONS.keys()}
            if not generations or generation in generations:
                _ask(scenario, find, outcome)
    return outcome


def _imported(path: Path, generation: Generation) -> File:
    made = import_flagd(Document(str(path), path.read_bytes()), generation)
    names = json.loads(path.read_text(encoding="utf-8"))["flags"]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "flags.yaml"
        file.write_text(written(made, path.name), encoding="utf-8")
        provider = BurgeeProvider(Serving(bundled=compile_file(file)))
    return File(frozenset(names), frozenset(made.flags), provider)


@dataclass(slots=True)
class _Asking:
    """What a scenario has said so far."""

    flag: str = ""
    kind: str = ""
    default: str = ""
    key: str | None = None
    selector: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    details: Any = None
    right: bool = True


def _ask(scenario: Scenario, find: Callable[[str, str | None], File | None], outcome: Outcome) -> None:
    asking = _Asking()
    for step in scenario.steps:
        if step.text.startswith("the flag was evaluated"):
            file = find(asking.flag, asking.selector)
            if file is not None and asking.flag not in file.brought:
                outcome.inexpressible["a flag that the import leaves out, and says so"] += 1
                return
            provider = file.provider if file is not None else BurgeeProvider(Serving())
            resolve = getattr(provider, f"resolve_{asking.kind}_details")
            context = EvaluationContext(asking.key, asking.attributes)
            asking.details = _resolved(resolve, asking, context)
            continue
        for pattern, act in STEPS:
            match = re.fullmatch(pattern, step.text)
            if match is not None:
                said = act(asking, *match.groups())
                asking.right &= said is not False
                break
        else:
            asking.right &= _metadata(asking, step.text, step.table)
    outcome.count(scenario.name, right=asking.right)


def _resolved(resolve: Callable[..., Any], asking: _Asking, context: EvaluationContext) -> Any:
    """The details as a client gives them: the caller's default where there is no value."""
    default = _typed(asking.kind, asking.default)
    details = resolve(asking.flag, default, context)
    if details.value is None:
        details.value = default
    return details


def _metadata(asking: _Asking, text: str, table: list[list[str]]) -> bool:
    """Whether the metadata is what a step says; an unknown step is an error of this adapter."""
    held = {name: value for name, value in asking.details.flag_metadata.items() if name not in OURS}
    if text == "the resolved metadata is empty":
        return not held
    assert text.startswith("the resolved metadata should contain"), text
    return all(held.get(name) == _typed(kind, value) for name, kind, value in table[1:])


def _typed(kind: str, text: str) -> Any:
    match kind.lower():
        case "boolean":
            return text == "true"
        case "integer":
            return int(text)
        case "float":
            return float(text)
        case "object":
            return json.loads(text.replace('\\"', '"')) if text else {}
        case _:
            return text


def _flag(asking: _Asking, kind: str, flag: str, default: str) -> None:
    asking.kind, asking.flag, asking.default = kind.lower(), flag, default


def _key(asking: _Asking, key: str) -> None:
    asking.key = key


def _selector(asking: _Asking, selector: str) -> None:
    asking.selector = selector


def _nested(asking: _Asking, outer: str, inner: str, value: str) -> None:
    asking.attributes.setdefault(outer, {})[inner] = value.strip('"')


def _attribute(asking: _Asking, name: str, kind: str, value: str) -> None:
    asking.attributes[name] = _typed(kind, value)


def _code(details: Any) -> str:
    return details.error_code.value if details.error_code else ""


STEPS: list[tuple[str, Callable[..., bool | None]]] = [
    (r'an? (\w+)-flag with key "(.*?)" and a (?:fallback|default) value "(.*)"', _flag),
    (r'a context containing a targeting key with value "(.*)"', _key),
    (r'an option "selector" of type "String" with value "(.*)"', _selector),
    (r'a context containing a nested property with outer key "(.*)" and inner key "(.*)", with value (.*)', _nested),
    (r'a context containing a key "(.*)", with type "(.*)" and with value "(.*)"', _attribute),
    (
        r'the resolved details value should be "(.*)"',
        lambda asking, text: asking.details.value == _typed(asking.kind, text),
    ),
    (r'the reason should be "(.*)"', lambda asking, text: asking.details.reason == text),
    (r'the variant should be "(.*)"', lambda asking, text: (asking.details.variant or "") == text),
    (r'the error-code should be "(.*)"', lambda asking, text: _code(asking.details) == text),
    (r"an (?:evaluator|option).*|a .*flagd provider", lambda _asking: None),
]
